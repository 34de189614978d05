"""A file into statements.

The cut is the Supabase CLI's, byte for byte, because both write it into one history: at each
semicolon that ends a statement, white space trimmed, comments kept, empty pieces dropped. The CLI
cuts by rules of its own and gets some statements wrong; Postgres then refuses its pieces, and so
nothing of them is ever in a history.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import postgast
from postgast import pg_query_pb2 as pb

from tillroll.migrate.errors import UsageError
from tillroll.migrate.parser import kinds, readable
from tillroll.migrate.parser.readable import BLANK, COMMENTS

__all__ = ["COMMENTS", "Statement", "consists_of", "parse", "position"]


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
        kind: Its node in the parser's tree, `create_stmt` for instance; empty where it is empty.
        node: That node, for this package alone.
    """

    text: str
    offset: int
    line: int
    column: int
    code: int
    empty: bool
    kind: str = ""
    node: Any = field(default=None, repr=False, compare=False)

    @property
    def alone(self) -> str | None:
        """What in it Postgres refuses to run inside a transaction, else None."""
        return kinds.alone(self.kind, self.node)

    @property
    def needs_client(self) -> bool:
        """Whether it is COPY from or to the client."""
        return self.kind == "copy_stmt" and not self.node.filename

    @property
    def mark(self) -> str | None:
        """`begin` or `commit` for the plain ones, `other` for what else ends a transaction."""
        return kinds.transaction_mark(self.kind, self.node)

    @property
    def sets_session(self) -> bool:
        """Whether it changes a setting of the session, which later statements may rely on."""
        return kinds.sets_session(self.kind, self.node)

    @property
    def marks_session(self) -> bool:
        """Whether it may leave something in its session: a setting, a temporary table …"""
        return kinds.marks_session(self.kind, self.node)

    @property
    def moves_data(self) -> str | None:
        """Its kind, where it reads or writes rows or may, else None."""
        return kinds.moves_data(self.kind)


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
    _refuse_nul(text, name)
    try:
        parsed, tokens = readable.read(text)
    except postgast.PgQueryError as error:
        line, column = position(text, max(error.cursorpos - 1, 0))
        raise UsageError(
            f"{name}:{line}:{column}: {error.message}\n"
            "Postgres's parser refuses this file, so nothing was applied. Correct it."
        ) from error
    trees = [_Tree(stmt, len(raw)) for stmt in parsed]
    starts = [tree.start for tree in trees]
    cuts: list[int] = []  # in bytes, as the parser counts
    codes: list[int] = []  # in characters: where something else than a comment begins
    before = characters = 0
    for token in tokens:
        characters += len(raw[before : token.start].decode())
        before = token.start
        if token.token not in COMMENTS:
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
        # The semicolon of a comment at the very end, which the CLI takes for the statement's.
        kept = piece.rstrip(";").strip(BLANK)
        if kept:
            at = offset + len(piece) - len(piece.lstrip(BLANK))
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
                    kind=tree.kind if tree else "",
                    node=tree.node if tree else None,
                )
            )
        offset += len(piece) + 1
        begin = cut + 1
    return tuple(statements)


def consists_of(text: str, pieces: Sequence[str]) -> bool:
    """Whether a text is nothing but these pieces, with semicolons between, told without parsing.

    So a file that cannot be parsed is known again by what the CLI has stored of it.
    """
    at = 0
    for piece in pieces:
        found = text.find(piece, at)
        between = text[at:found]
        if found < 0 or between.strip(BLANK + ";") or (at > 0 and ";" not in between):
            return False
        at = found + len(piece)
    return not text[at:].strip(BLANK + ";")


def _refuse_nul(text: str, name: str) -> None:
    if "\0" in text:  # the parser, being C, would see nothing of what follows
        line, column = position(text, text.index("\0"))
        raise UsageError(
            f"{name}:{line}:{column}: a NUL, which Postgres cannot take; nothing was applied. "
            "Remove it."
        )


class _Tree:
    def __init__(self, stmt: pb.RawStmt, size: int) -> None:
        self.start = stmt.stmt_location
        self.end = stmt.stmt_location + stmt.stmt_len if stmt.stmt_len else size
        self.kind = stmt.stmt.WhichOneof("node") or ""
        self.node = getattr(stmt.stmt, self.kind)
