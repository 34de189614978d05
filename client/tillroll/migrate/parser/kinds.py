"""What kind of statement something is: what Postgres lets it do, and what it may touch."""

from __future__ import annotations

from typing import Any

from postgast import pg_query_pb2 as pb

__all__ = ["alone", "encodes", "moves_data", "sets_session", "transaction_mark"]

_ALONE = {
    "vacuum_stmt": "VACUUM",
    "createdb_stmt": "CREATE DATABASE",
    "dropdb_stmt": "DROP DATABASE",
    "create_table_space_stmt": "CREATE TABLESPACE",
    "drop_table_space_stmt": "DROP TABLESPACE",
    "alter_system_stmt": "ALTER SYSTEM",
    "create_subscription_stmt": "CREATE SUBSCRIPTION",
    "drop_subscription_stmt": "DROP SUBSCRIPTION",
}
_MARKS = {
    pb.TRANS_STMT_BEGIN: "begin",
    pb.TRANS_STMT_START: "begin",
    pb.TRANS_STMT_COMMIT: "commit",
}
_SAVEPOINTS = {
    pb.TRANS_STMT_SAVEPOINT,
    pb.TRANS_STMT_RELEASE,
    pb.TRANS_STMT_ROLLBACK_TO,
}
# A function that is called may write, whatever its statement looks like.
_DATA = {
    "insert_stmt": "INSERT",
    "update_stmt": "UPDATE",
    "delete_stmt": "DELETE",
    "merge_stmt": "MERGE",
    "copy_stmt": "COPY",
    "truncate_stmt": "TRUNCATE",
    "select_stmt": "SELECT",
    "do_stmt": "DO",
    "call_stmt": "CALL",
    "execute_stmt": "EXECUTE",
    "create_table_as_stmt": "CREATE TABLE AS",
    "refresh_mat_view_stmt": "REFRESH MATERIALIZED VIEW",
}


def transaction_mark(kind: str, node: Any) -> str | None:
    """Return `begin` or `commit` for the plain ones, `other` for what else ends a transaction.

    Savepoints are none of them.
    """
    if kind != "transaction_stmt" or node.kind in _SAVEPOINTS:
        return None
    return "other" if node.options or node.chain else _MARKS.get(node.kind, "other")


def encodes(kind: str, node: Any) -> bool:
    """Whether it sets another encoding than UTF-8 for what the client sends."""
    if kind != "variable_set_stmt" or node.name != "client_encoding" or not node.args:
        return False
    value = node.args[0].a_const.sval.sval
    return value.lower().replace("-", "") not in {"utf8", "unicode"}


def sets_session(kind: str, node: Any) -> bool:
    """Whether it changes a setting of the session, which later statements may rely on."""
    return kind == "variable_set_stmt" and not node.is_local


def moves_data(kind: str) -> str | None:
    """Name the kind of a statement that reads or writes rows, or may, else None."""
    return _DATA.get(kind)


def alone(kind: str, node: Any) -> str | None:
    """Name what Postgres refuses to run inside a transaction, else None."""
    if kind == "index_stmt" and node.concurrent:
        return "CREATE INDEX CONCURRENTLY"
    if kind == "drop_stmt" and node.concurrent:
        return "DROP INDEX CONCURRENTLY"
    if kind == "reindex_stmt":
        options = {param.def_elem.defname for param in node.params}
        if "concurrently" in options:
            return "REINDEX CONCURRENTLY"
        if node.kind not in {pb.REINDEX_OBJECT_INDEX, pb.REINDEX_OBJECT_TABLE}:
            return "REINDEX of a whole schema or database"
    if kind == "vacuum_stmt" and not node.is_vacuumcmd:
        return None
    if kind == "cluster_stmt" and not node.HasField("relation"):
        return "CLUSTER of a whole database"
    if kind == "discard_stmt" and node.target == pb.DISCARD_ALL:
        return "DISCARD ALL"
    if kind == "alter_table_stmt" and any(
        command.alter_table_cmd.subtype == pb.AT_DetachPartition
        and getattr(command.alter_table_cmd, "def").partition_cmd.concurrent
        for command in node.cmds
    ):
        return "DETACH PARTITION CONCURRENTLY"
    return _ALONE.get(kind)
