"""Statements that run outside a transaction: what they make or take away, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from postgast import pg_query_pb2 as pb

from tillroll.migrate.parser.cut import Statement

__all__ = ["Concurrent", "concurrent"]


@dataclass(frozen=True)
class Concurrent:
    """What a concurrent statement is about.

    Attributes:
        action: What it does.
        name: The index that it creates, drops or builds anew, or the table whose indexes it builds
            anew, or the partition; as parts, the schema first where it is given. Empty where an
            index has no name.
        table: The table of the new index, or the partitioned one, in the same form.
    """

    action: Literal["create", "drop", "reindex", "detach"]
    name: tuple[str, ...]
    table: tuple[str, ...] = ()


def concurrent(statement: Statement) -> Concurrent | None:
    """Return what a concurrent statement is about; None for every other one."""
    node = statement.node
    if statement.alone is None:
        return None
    if statement.kind == "index_stmt":
        table = _parts(node.relation)
        name = (*table[:-1], node.idxname) if node.idxname else ()
        return Concurrent("create", name, table)
    if statement.kind == "drop_stmt":
        return Concurrent("drop", tuple(part.string.sval for part in node.objects[0].list.items))
    if statement.kind == "reindex_stmt" and node.HasField("relation"):
        return Concurrent("reindex", _parts(node.relation))
    if statement.kind == "alter_table_stmt":
        for command in node.cmds:
            each = command.alter_table_cmd
            if each.subtype == pb.AT_DetachPartition:
                partition = getattr(each, "def").partition_cmd.name
                return Concurrent("detach", _parts(partition), _parts(node.relation))
    return None


def _parts(relation: Any) -> tuple[str, ...]:
    return tuple(filter(None, (relation.schemaname, relation.relname)))
