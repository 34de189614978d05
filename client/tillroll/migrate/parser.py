"""SQL text into statements: the only place that knows which parser is used.

The cut is the Supabase CLI's, byte for byte, because both write it into one history: at each
semicolon that ends a statement, white space trimmed, comments kept, empty pieces dropped.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import postgast
from postgast import pg_query_pb2 as pb

from tillroll.migrate.errors import UsageError

__all__ = ["Statement", "parse", "position"]

# What JavaScript's trim() removes, which Python's strip() does not do in the same way.
_BLANK = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_COMMENTS = {pb.SQL_COMMENT, pb.C_COMMENT}
_SAVEPOINTS = {
    pb.TRANS_STMT_SAVEPOINT,
    pb.TRANS_STMT_RELEASE,
    pb.TRANS_STMT_ROLLBACK_TO,
}
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


@dataclass(frozen=True)
class Statement:
    """One piece of a file.

    Attributes:
        text: As the history stores it: without the semicolon, with its comments.
        offset: Where `text` begins in the file, in characters.
        line: The same as a line, from 1.
        column: And in that line, from 1.
        code: Where in `text` the leading comments end, in characters.
        empty: Whether there are only comments in it.
        alone: What in it cannot run inside a transaction, else None.
        ends_transaction: Whether it is BEGIN, COMMIT, ROLLBACK or the like.
    """

    text: str
    offset: int
    line: int
    column: int
    code: int
    empty: bool
    alone: str | None = None
    ends_transaction: bool = False


def position(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of a character of a text."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def parse(text: str, name: str) -> tuple[Statement, ...]:
    """Cut a file into statements.

    Args:
        text: The file's content, without a byte order mark.
        name: The file's name, for messages.

    Raises:
        UsageError: It is not SQL; the message names line and column.
    """
    raw = text.encode()
    try:
        trees = [_Tree(stmt, len(raw)) for stmt in postgast.parse(text).stmts]
        tokens = postgast.scan(text).tokens
    except postgast.PgQueryError as error:
        line, column = position(text, max(error.cursorpos - 1, 0))
        raise UsageError(
            f"{name}:{line}:{column}: {error.message}\n"
            "Postgres's parser refuses this file, so nothing was applied. Correct it."
        ) from error
    starts = [tree.start for tree in trees]
    cuts: list[int] = []  # in bytes, as the parser counts
    codes: list[int] = []  # in characters: where something else than a comment begins
    before = characters = 0
    for token in tokens:
        characters += len(raw[before : token.start].decode())
        before = token.start
        if token.token not in _COMMENTS:
            codes.append(characters)
        if token.token == pb.ASCII_59:
            owner = bisect_right(starts, token.start) - 1
            if owner < 0 or token.start >= trees[owner].end:
                cuts.append(token.start)
    newlines = [index for index, character in enumerate(text) if character == "\n"]
    statements = []
    begin = offset = 0
    for cut in (*cuts, len(raw)):
        piece = raw[begin:cut].decode()
        kept = piece.strip(_BLANK)
        if kept:
            at = offset + len(piece) - len(piece.lstrip(_BLANK))
            above = bisect_left(newlines, at)
            next_tree = bisect_left(starts, begin)
            tree = trees[next_tree] if next_tree < len(trees) else None
            if tree is not None and tree.start >= cut:
                tree = None
            statements.append(
                Statement(
                    kept,
                    at,
                    line=above + 1,
                    column=at - (newlines[above - 1] if above else -1),
                    code=codes[bisect_left(codes, at)] - at if tree else 0,
                    empty=tree is None,
                    alone=_alone(tree.node) if tree else None,
                    ends_transaction=tree is not None and _ends_transaction(tree.node),
                )
            )
        offset += len(piece) + 1
        begin = cut + 1
    return tuple(statements)


class _Tree:
    def __init__(self, stmt: pb.RawStmt, size: int) -> None:
        self.start = stmt.stmt_location
        self.end = stmt.stmt_location + stmt.stmt_len if stmt.stmt_len else size
        self.node = stmt.stmt


def _ends_transaction(node: pb.Node) -> bool:
    return (
        node.WhichOneof("node") == "transaction_stmt"
        and node.transaction_stmt.kind not in _SAVEPOINTS
    )


def _alone(node: pb.Node) -> str | None:
    """Name what Postgres refuses to run inside a transaction."""
    kind = node.WhichOneof("node") or ""
    if kind == "index_stmt" and node.index_stmt.concurrent:
        return "CREATE INDEX CONCURRENTLY"
    if kind == "drop_stmt" and node.drop_stmt.concurrent:
        return "DROP INDEX CONCURRENTLY"
    if kind == "reindex_stmt":
        options = {param.def_elem.defname for param in node.reindex_stmt.params}
        if "concurrently" in options:
            return "REINDEX CONCURRENTLY"
        if node.reindex_stmt.kind not in {pb.REINDEX_OBJECT_INDEX, pb.REINDEX_OBJECT_TABLE}:
            return "REINDEX of a whole schema or database"
    if kind == "vacuum_stmt" and not node.vacuum_stmt.is_vacuumcmd:
        return None
    if kind == "cluster_stmt" and not node.cluster_stmt.HasField("relation"):
        return "CLUSTER of a whole database"
    if kind == "discard_stmt" and node.discard_stmt.target == pb.DISCARD_ALL:
        return "DISCARD ALL"
    if kind == "alter_table_stmt" and any(
        command.alter_table_cmd.subtype == pb.AT_DetachPartition
        and getattr(command.alter_table_cmd, "def").partition_cmd.concurrent
        for command in node.alter_table_stmt.cmds
    ):
        return "DETACH PARTITION CONCURRENTLY"
    return _ALONE.get(kind)
