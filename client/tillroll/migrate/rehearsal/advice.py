"""What to write instead of a statement that holds a lock for too long."""

from __future__ import annotations

from tillroll.migrate.parser import Statement
from tillroll.migrate.rehearsal.effects import Effects

__all__ = ["advise"]

_ALONE = (
    "in a file of its own, without a transaction (its first line: -- pg-delta: transaction=false)"
)
_PROVE = (
    "add a CHECK that says the same as NOT VALID, and VALIDATE it in a later file: this statement "
    "then finds it proven and reads nothing"
)


def advise(statement: Statement, effects: Effects) -> str:
    """Return what does the same as a statement that takes long, without a lock in the way."""
    kind = statement.kind
    if effects.changed or effects.copied:
        return "change the rows in batches, each in a transaction of its own"
    if kind == "refresh_mat_view_stmt":
        return "refresh materialized view concurrently (it wants a unique index)"
    if effects.rewritten:
        if kind == "alter_table_stmt":
            return "add a new column, fill it in batches, then switch to it"
        return "do it when nobody needs the table"
    if effects.built:
        if kind == "index_stmt":
            return f"create index concurrently, {_ALONE}"
        if kind == "reindex_stmt":
            return f"reindex concurrently, {_ALONE}"
        return (
            f"create unique index concurrently, {_ALONE}; then add the constraint USING INDEX, "
            "for a primary key on columns that are NOT NULL already"
        )
    if effects.foreign_keys or effects.checked:
        return "add the constraint as NOT VALID, and VALIDATE it in a later file"
    if effects.scans and kind == "alter_table_stmt":
        return _PROVE
    return "do less in this file"
