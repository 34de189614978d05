"""Statements that are made of facts: what no file says in these words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg import sql

__all__ = ["column", "column_changes", "enum_values", "grants", "put_rows", "take_row"]

Properties = Mapping[str, Any]


def column(name: str, new: Properties, required: bool) -> str:
    """Return a column as CREATE TABLE has it; NOT NULL only where `required`."""
    parts = [name, new["type"]]
    if new["collation"]:
        parts.append(f"collate {new['collation']}")
    if new["identity"]:
        kind = "always" if new["identity"] == "a" else "by default"
        parts.append(f"generated {kind} as identity")
    elif new["generated"]:
        kind = "stored" if new["generated"] == "s" else "virtual"
        parts.append(f"generated always as ({new['default']}) {kind}")
    elif new["default"] is not None:
        parts.append(f"default {new['default']}")
    if new["not null"] and required:
        parts.append("not null")
    return " ".join(parts)


def column_changes(begin: str, old: Properties, new: Properties) -> Iterator[tuple[str, ...]]:
    """Alter a column's type, default and NOT NULL; each as the ways to do it, best first.

    Args:
        begin: `alter table app.t alter column c`.
    """
    if (old["type"], old["collation"]) != (new["type"], new["collation"]):
        collation = f" collate {new['collation']}" if new["collation"] else ""
        plain = f"{begin} type {new['type']}{collation}"
        cast = f"{plain} using {begin.rsplit(' column ', 1)[-1]}::{new['type']}"
        yield plain, cast, f"{begin} drop default;\n{cast}"
        return  # the default may have changed or gone with it
    if old["default"] != new["default"] and not (old["generated"] or new["generated"]):
        gone = new["default"] is None
        yield (f"{begin} {'drop default' if gone else 'set default ' + new['default']}",)
    if old["not null"] != new["not null"]:
        yield (f"{begin} {'set' if new['not null'] else 'drop'} not null",)


def enum_values(name: str, had: Sequence[str], labels: Sequence[str]) -> Iterator[str]:
    """Add values to an enum; nothing where that is not enough."""
    if [label for label in labels if label in had] == had:
        for before, label in zip([None, *labels], labels, strict=False):
            if label not in had:
                where = f" after {_quote(before)}" if before else f" before {_quote(had[0])}"
                yield f"alter type {name} add value {_quote(label)}{where if had else ''}"


def grants(
    target: str, part: str, old: Properties, new: Properties, everything: object
) -> tuple[str, ...]:
    """Grant and revoke until the rights are as they should.

    Args:
        target: `table app.t` …
        part: ` (c)` where the rights are on a column.
        old: Each role's privileges now.
        new: And as they should be.
        everything: The owner's, which is what ALL means; it differs between versions of Postgres.
    """
    texts = []
    for role in sorted(old.keys() | new.keys()):
        had, has = old.get(role, []), new.get(role, [])
        anew = not set(had) <= set(has)
        if anew:
            texts.append(f"revoke all{part} on {target} from {role}")
        for option in ("", " with grant option"):
            given = [
                each.removesuffix(option).lower() + part
                for each in has
                if each.endswith(" with grant option") == bool(option) and (anew or each not in had)
            ]
            if given:
                words = "all" if has == everything and (anew or not had) else ", ".join(given)
                texts.append(f"grant {words} on {target} to {role}{option}")
    return tuple(texts)


def put_rows(table: str, rows: Mapping[str, Properties]) -> str:
    """Insert rows, or update those of the same key; rows are given by their keys as JSON."""
    values = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows.values())
    key, row = next((json.loads(key), row) for key, row in rows.items())
    changed = ", ".join(f"{name} = excluded.{name}" for name in row if name not in key)
    over = f"\non conflict ({', '.join(key)}) do update set {changed}" if changed else ""
    return (
        f"insert into {table} overriding system value\n"
        f"select * from jsonb_populate_recordset(null::{table}, {_quote(f'[{values}]')}){over}"
    )


def take_row(table: str, key: str) -> str:
    """Delete the row that has a key, which is JSON."""
    return f"delete from {table} as t where to_jsonb(t) @> {_quote(key)}"


def _quote(text: str) -> str:
    return sql.Literal(text).as_string().strip()
