"""Read a database's facts: one statement for all of the catalog, so that it is of one moment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from tillroll.migrate.errors import UsageError
from tillroll.migrate.facts.catalogs import CATALOGS
from tillroll.migrate.facts.fact import Fact, define, key
from tillroll.migrate.facts.globals import GLOBALS
from tillroll.migrate.facts.grants import GRANTS
from tillroll.migrate.facts.relations import RELATIONS
from tillroll.migrate.facts.routines import ROUTINES
from tillroll.migrate.facts.scope import SCOPE

__all__ = ["QUERIES", "Catalog", "extract", "facts_of", "read_catalog"]

# Of each kind of fact, to stand behind `SCOPE`.
QUERIES = {**GLOBALS, **CATALOGS, **RELATIONS, **ROUTINES, **GRANTS}
Catalog = dict[tuple[str, str], dict[str, Any]]  # kind and identity, to properties

# Without a search path Postgres writes each name with its schema; without JIT it is done in
# milliseconds where it would compile for seconds. The rest decides how it writes constants.
_SETTINGS = """
    set search_path = ''; set jit = off; set quote_all_identifiers = off;
    set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres';
    set extra_float_digits = 1; set bytea_output = 'hex'
"""
_KEY = """
    select to_regclass(%(name)s) is not null, array(
        select a.attname::text
        from pg_index as i
        inner join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
        where i.indrelid = to_regclass(%(name)s) and i.indisprimary
        order by a.attnum)
"""


class _Row(NamedTuple):
    kind: str
    schemas: list[str]
    owner: str | None
    identity: str
    properties: dict[str, Any]


def extract(conn: psycopg.Connection, reference: Iterable[str] = ()) -> tuple[Fact, ...]:
    """Read a database's facts, sorted.

    Args:
        conn: Its settings that bear on how Postgres writes things are changed: search_path,
            timezone and such.
        reference: Tables whose rows are facts too, as `schema.table`.

    Raises:
        UsageError: A name in `reference` is none.
    """
    facts = [
        Fact(
            row.kind,
            row.identity,
            define(row.properties),
            tuple(map(_plain, row.schemas)),
            row.owner and _plain(row.owner),
        )
        for row in _read(conn, reference)
    ]
    return tuple(sorted(facts, key=key))


def read_catalog(conn: psycopg.Connection, reference: Iterable[str] = ()) -> Catalog:
    """Read what facts are made of; arguments and errors as for `extract`."""
    return {(row.kind, row.identity): row.properties for row in _read(conn, reference)}


def facts_of(catalog: Catalog) -> tuple[Fact, ...]:
    """Return a catalog as facts, sorted; without their schemas and owners."""
    facts = [Fact(*names, define(properties)) for names, properties in catalog.items()]
    return tuple(sorted(facts, key=key))


def _read(conn: psycopg.Connection, reference: Iterable[str]) -> Iterator[_Row]:
    conn.execute(_SETTINGS)
    every = " union all ".join(
        f"select '{kind}', q.* from ({query}) as q (schemas, owner, identity, properties)"
        for kind, query in QUERIES.items()
    )
    for row in conn.execute((SCOPE + every).encode()).fetchall():
        yield _Row(*row)
    for table in sorted(set(reference)):
        yield from _rows(conn, table)


def _rows(conn: psycopg.Connection, table: str) -> Iterator[_Row]:
    parts = table.split(".")
    if len(parts) != 2:
        raise UsageError(f"`reference rows: {table}` names no table: write schema.table")
    name = sql.Identifier(*parts)
    there, key = conn.execute(_KEY, {"name": name.as_string(conn)}).fetchall()[0]
    rows = sql.SQL("select to_jsonb(t.*) from {} as t").format(name)
    for (row,) in conn.execute(rows).fetchall() if there else ():
        identity = {column: row[column] for column in key} or row
        yield _Row("row", [parts[0]], None, f"{table} {json.dumps(identity, sort_keys=True)}", row)


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
