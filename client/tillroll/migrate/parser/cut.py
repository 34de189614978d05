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
from itertools import accumulate
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
    def encodes(self) -> bool:
        """Whether it sets another encoding than UTF-8 for what the client sends."""
        return kinds.encodes(self.kind, self.node)

    @property
    def mark(self) -> str | None:
        """`begin` or `commit` for the plain ones, `other` for what else ends a transaction."""
        return kinds.transaction_mark(self.kind, self.node)

    @property
    def sets_session(self) -> bool:
        """Whether it changes a setting of the session, which later statements may rely on."""
        return kinds.sets_session(self.kind, self.node)

    @property
    def moves_data(self) -> str | None:
        """Its kind, where it reads or writes rows or may, else None."""
        return kinds.moves_data(self.kind)

    def place(self, at: int) -> tuple[int, int]:
        """Return line and column in the file, both from 1, of a character of `text`."""
        line, column = position(self.text, at)
        return self.line + line - 1, column + (self.column - 1 if line == 1 else 0)


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
    if "\0" in text:  # the parser, being C, would see nothing of what follows
        raise _refusal(text, name, text.index("\0"), "a NUL, which Postgres cannot take")
    try:
        parsed, tokens = readable.read(text)
    except postgast.PgQueryError as error:
        raise _refusal(text, name, max(error.cursorpos - 1, 0), error.message) from error
    raw = text.encode()
    characters = [0, *accumulate(byte & 0xC0 != 0x80 for byte in raw)]  # before each byte
    starts = [each.stmt_location for each in parsed]
    ends = [each.stmt_location + each.stmt_len if each.stmt_len else len(raw) for each in parsed]
    codes = [each.start for each in tokens if each.token not in COMMENTS]
    cuts = [
        each.start
        for each in tokens
        if each.token == pb.ASCII_59
        and ((owner := bisect_right(starts, each.start) - 1) < 0 or each.start >= ends[owner])
    ]
    statements = []
    line, begin, seen = 1, 0, 0
    for cut in (*cuts, len(raw)):
        piece = raw[begin:cut].decode()
        # The semicolon of a comment at the very end, which the CLI takes for the statement's.
        if kept := piece.rstrip(";").strip(BLANK):
            at = characters[begin] + len(piece) - len(piece.lstrip(BLANK))
            line, seen = line + text.count("\n", seen, at), at
            column = at - text.rfind("\n", 0, at)
            number = bisect_left(starts, begin)
            if number < len(starts) and starts[number] < cut:
                kind = parsed[number].stmt.WhichOneof("node") or ""
                code = characters[codes[bisect_left(codes, begin)]] - at
                node = getattr(parsed[number].stmt, kind)
                statements.append(Statement(kept, at, line, column, code, False, kind, node))
            else:
                statements.append(Statement(kept, at, line, column, code=0, empty=True))
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


def _refusal(text: str, name: str, at: int, why: str) -> UsageError:
    line, column = position(text, at)
    return UsageError(
        f"{name}:{line}:{column}: {why}\n"
        "Postgres's parser refuses this file, so nothing was applied. Correct it."
    )
