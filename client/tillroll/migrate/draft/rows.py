"""Reference rows: insert, update and delete until a table says what the sources say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql

from tillroll.migrate.draft.index import Index
from tillroll.migrate.draft.steps import Key, Step
from tillroll.migrate.facts import Catalog

__all__ = ["row_steps"]

Row = dict[str, Any]

_COLUMNS = """
select a.attname, pg_catalog.quote_ident(a.attname), a.attidentity = 'a'
from pg_catalog.pg_attribute as a
where a.attrelid = pg_catalog.to_regclass(%s) and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = ''
order by a.attnum
"""
_LITERALS = """
select array[{columns}]
from pg_catalog.unnest(%s::jsonb[]) with ordinality as given (value, number)
cross join lateral pg_catalog.jsonb_populate_record(null::{table}, given.value) as r
order by given.number
"""


def row_steps(
    conn: psycopg.Connection,
    have: Catalog,
    want: Catalog,
    index: Index,
    differing: Iterable[Key],
    may_drop: Callable[[Key], bool],
) -> list[Step]:
    """Return what settles the reference rows that differ, a table at a time."""
    tables: dict[str, list[Key]] = {}
    for key in sorted(differing):
        if key[0] == "row":
            tables.setdefault(key[1].split(" ", 1)[0], []).append(key)
    steps = []
    for name, keys in tables.items():
        table = _Table(conn, name)
        if not table.columns:
            continue
        if added := [key for key in keys if key not in have]:
            first = not any(key[0] == "row" and key[1].startswith(f"{name} ") for key in have)
            whole = index.rows(name) if first else ""
            ways = [(text,) for text in (whole, table.insert([want[key] for key in added])) if text]
            steps.append(Step(tuple(added), tuple(ways)))
        for key in keys:
            identity = json.loads(key[1].split(" ", 1)[1])
            if key in have and key in want:
                changed = [
                    each for each in table.columns if have[key].get(each) != want[key].get(each)
                ]
                steps.append(Step((key,), ((table.update(want[key], changed, identity),),)))
            elif key in have and may_drop(key):
                steps.append(Step((key,), ((table.delete(have[key], identity),),)))
    return steps


class _Table:
    def __init__(self, conn: psycopg.Connection, name: str) -> None:
        self._conn, self._name = conn, sql.Identifier(*name.split(".")).as_string(conn)
        self._shown = name if name == name.lower() else self._name
        found = conn.execute(_COLUMNS, (self._name,)).fetchall()
        self.columns = {column: quoted for column, quoted, _ in found}
        self._always = any(always for _, _, always in found)

    def insert(self, rows: Sequence[Row]) -> str:
        over = " overriding system value" if self._always else ""
        values = ",\n".join(
            f"({', '.join(row[each] for each in self.columns)})" for row in self._literals(rows)
        )
        return (
            f"insert into {self._shown} ({', '.join(self.columns.values())}){over} values\n{values}"
        )

    def update(self, row: Row, changed: Sequence[str], identity: Row) -> str:
        (literal,) = self._literals([row])
        settings = ", ".join(f"{self.columns[each]} = {literal[each]}" for each in changed)
        return f"update {self._shown} set {settings} where {self._where(literal, identity)}"

    def delete(self, row: Row, identity: Row) -> str:
        (literal,) = self._literals([row])
        return f"delete from {self._shown} where {self._where(literal, identity)}"

    def _where(self, literal: dict[str, str], identity: Row) -> str:
        return " and ".join(
            f"{self.columns[each]} {'is' if literal[each] == 'NULL' else '='} {literal[each]}"
            for each in identity
            if each in self.columns
        )

    def _literals(self, rows: Sequence[Row]) -> list[dict[str, str]]:
        """Return rows as SQL says them, by column."""
        columns = ", ".join(
            f"pg_catalog.quote_nullable(r.{quoted}::text)" for quoted in self.columns.values()
        )
        query = _LITERALS.format(columns=columns, table=self._name)
        found = self._conn.execute(query, ([json.dumps(row) for row in rows],)).fetchall()
        return [
            {
                column: _bare(literal, row.get(column))
                for column, literal in zip(self.columns, literals, strict=True)
            }
            for row, (literals,) in zip(rows, found, strict=True)
        ]


def _bare(literal: str, value: object) -> str:
    return literal[1:-1] if isinstance(value, bool | int | float) else literal
