"""Which JSON values a type takes is what json_to_record says, on each Postgres."""

from __future__ import annotations

import itertools

import psycopg
import pytest

from tests.conftest import Database, cluster_of
from tillroll.migrate.contract.shapes import Contract
from tillroll.migrate.contract.values import SAMPLES, TAKES, given_as, refused

OWN = """
create type mood as enum ('good', 'bad');
create type glad as enum ('good');
create type item as (id bigint, mood mood);
create type less as (id integer, mood mood);
create domain small as smallint check (value < 50000);
create domain name_of as text;
"""
CONTRACT = Contract(
    {},
    {},
    {
        "mood": {"labels": {"good": "yes", "bad": "yes"}},
        "glad": {"labels": {"good": "yes"}},
        "item": {"fields": {"id": "bigint", "mood": "mood"}},
        "less": {"fields": {"id": "integer", "mood": "mood"}},
        "small": {"is": {"base": "smallint"}, "checks": {"CHECK (value < 50000)": "yes"}},
        "name_of": {"is": {"base": "text"}},
    },
    {},
)
TYPES = [
    *CONTRACT.types,
    *(f"{name}[]" for name in ("integer", "bigint", "text", "mood", "item", "less")),
    *(
        "integer",
        "bigint",
        "text",
        "uuid",
        "jsonb",
        "numeric(12,2)",
        "numeric(11,2)",
        "character varying(3)",
    ),
    *("timestamp without time zone", "timestamp(0) without time zone"),
]
VALUES = [
    *(value for _, value in SAMPLES.values()),
    *("32767", "2147483647", "9223372036854775807"),
    *('"good"', '"bad"', "[7]", "[40000]", "[3000000000]", '["good"]', '["bad"]'),
    *('{"id": 7}', '{"id": 3000000000}', '[{"id": 7}]', '[{"id": 3000000000}]'),
]


def takes(conn: psycopg.Connection, value: str, kind: str) -> bool:
    try:
        with conn.transaction():
            conn.execute(f"select * from json_to_record('{{\"x\": {value}}}') as r (x {kind})")
    except psycopg.DataError:
        return False
    except psycopg.errors.CheckViolation:
        return False
    return True


@pytest.mark.parametrize("version", ["15", "18"])
def test_each_type_takes_the_values_of_the_table(version: str) -> None:
    with psycopg.connect(cluster_of(version).server.dsn(), autocommit=True) as conn:
        for kind, letters in TAKES.items():
            seen = [each for each, (_, value) in SAMPLES.items() if takes(conn, value, kind)]
            assert sorted(letters) == sorted(seen), kind


def test_what_is_said_to_be_refused_is_refused(bare: Database) -> None:
    with psycopg.connect(bare.dsn("supabase_admin"), autocommit=True) as conn:
        conn.execute(OWN)
        taken = {kind: {value for value in VALUES if takes(conn, value, kind)} for kind in TYPES}
        wrong = [
            (old, new)
            for old, new in itertools.permutations(TYPES, 2)
            if bool(refused(old, CONTRACT, new, CONTRACT)) != bool(taken[old] - taken[new])
        ]
        assert wrong == []


def test_values_are_told_as_json_has_them(bare: Database) -> None:
    words = {
        "number": "a number",
        "boolean": "a boolean",
        "string": "a text",
        "object": "an object",
        "array": "an array",
    }
    samples = {
        "integer": "1",
        "numeric(10,2)": "1.5",
        "boolean": "true",
        "text": "'x'",
        "uuid": "'0192d3f4-0000-7000-8000-000000000001'",
        "timestamp with time zone": "'2026-11-30'",
        "mood": "'good'",
        "small": "1",
        "item": "'(1,good)'",
        "integer[]": "'{1}'",
        "interval": "'1 day'",
        "bytea": "'x'",
        "money": "'1'",
    }
    with psycopg.connect(bare.dsn("supabase_admin"), autocommit=True) as conn:
        conn.execute(OWN)
        for kind, value in samples.items():
            found = conn.execute(f"select json_typeof(to_json({value}::{kind}))").fetchone()
            assert found is not None
            assert given_as(kind, CONTRACT).split(",")[0] == words[found[0]], kind
    assert given_as("void", CONTRACT) == "nothing"
