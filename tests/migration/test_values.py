"""What takes over from a type takes its values, and gives them in the same form."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import cluster_of
from tillroll.migrate.contract.shapes import Contract
from tillroll.migrate.contract.values import WIDER, widens

OWN = Contract(
    {},
    {},
    {},
    {
        "api.mood": {"labels": {"good": "yes"}},
        "api.glad": {"labels": {"good": "yes"}},
        "api.small": {"is": {"base": "smallint"}, "checks": {"CHECK (value < 9)": "yes"}},
    },
)
# The largest and the longest that there are.
VALUES = {
    "smallint": "-32768",
    "integer": "2147483647",
    "bigint": "9223372036854775807",
    "real": "1.5",
    "character varying": '"words"',
    "uuid": '"0192d3f4-0000-7000-8000-000000000001"',
    "json": '{"a": [1, null]}',
    "jsonb": '{"a": [1, null]}',
}
SAME = {
    ("integer", "bigint"),
    ("integer[]", "bigint[]"),
    ("setof integer", "setof bigint"),
    ("integer", "numeric"),
    ("character varying(3)", "character varying(4)"),
    ("character varying(3)", "text"),
    ("numeric(10,2)", "numeric(12,2)"),
    ("numeric(10,2)", "numeric"),
    ("api.mood", "text"),
    ("api.small", "integer"),
}
OTHER = {
    ("bigint", "integer"),
    ("integer", "bigint[]"),
    ("integer", "setof integer"),
    ("setof integer", "integer"),
    ("integer[]", "integer"),
    ("character varying(4)", "character varying(3)"),
    ("integer", "text"),
    ("integer", "numeric(5,2)"),
    ("text", "character varying(3)"),
    ("numeric(10,2)", "numeric(12,3)"),
    ("numeric", "numeric(10,2)"),
    ("timestamp with time zone", "timestamp without time zone"),
    ("api.mood", "api.glad"),
    ("text", "api.mood"),
    ("smallint", "api.small"),
    ("api.gone", "api.other"),
}


@pytest.mark.parametrize("version", ["15", "18"])
def test_a_wider_type_takes_and_gives_the_same_json(version: str) -> None:
    with psycopg.connect(cluster_of(version).server.dsn(), autocommit=True) as conn:
        for old, new in ((old, each) for old, wider in WIDER.items() for each in wider):
            row = conn.execute(
                f"select to_jsonb(a.x) = to_jsonb(b.x)"
                f" from json_to_record(%(value)s) as a (x {old}),"
                f" json_to_record(%(value)s) as b (x {new})",
                {"value": f'{{"x": {VALUES[old]}}}'},
            ).fetchone()
            assert row == (True,), (old, new)


def test_only_what_surely_takes_over_is_said_to() -> None:
    assert {pair for pair in SAME | OTHER if widens(pair[0], OWN, pair[1])} == SAME
