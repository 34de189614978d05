"""What to write instead of a statement that holds a lock for too long."""

from __future__ import annotations

from tillroll.migrate.parser import Statement
from tillroll.migrate.rehearsal.effects import Effects

__all__ = ["advise"]


def advise(statement: Statement, effects: Effects) -> str:
    """Return what does the same as a statement that takes long, without a lock in the way."""
    alters = statement.kind == "alter_table_stmt"
    if effects.moved:
        return "change the rows in batches, each in a transaction of its own"
    if effects.rewritten and alters:
        return "add a new column, fill it in batches, then switch to it"
    if effects.built:
        return (
            "create the index concurrently, in a file of its own, without a transaction (its "
            f"first line: -- pg-delta: transaction=false){'; then add USING INDEX' * alters}"
        )
    if effects.scans and alters:
        return (
            "add the constraint (for SET NOT NULL a CHECK that says so) as NOT VALID, and VALIDATE "
            "it in a later file"
        )
    return "do less in this file, or do it when nobody needs the table"
