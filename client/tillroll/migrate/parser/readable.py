"""A file as this parser must see it to accept what Postgres accepts of the Supabase CLI's pieces.

What comes out has the same bytes at the same offsets, but for blanks and comments.
"""

from __future__ import annotations

from collections.abc import Sequence

import postgast
from postgast import pg_query_pb2 as pb

__all__ = ["BLANK", "COMMENTS", "read"]

# What JavaScript's trim() removes, which Python's strip() does not do in the same way.
BLANK = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
COMMENTS = {pb.SQL_COMMENT, pb.C_COMMENT}
_SPACES = {ord(each): " " * len(each.encode()) for each in BLANK if not each.isascii()}


def read(text: str) -> tuple[Sequence[pb.RawStmt], Sequence[pb.ScanToken]]:
    """Return statements and tokens, both with offsets in bytes.

    This parser takes a comment for a token where Postgres takes it for white space: in `not -- why`
    before `in`, and in a string that goes on in the next line. So a text that it refuses is tried
    again without the comments that came up to there.

    Raises:
        PgQueryError: Postgres would not accept it either.
    """
    raw = text.encode()
    text = text if text.isascii() else ";".join(map(_trimmed, text.split(";")))
    while True:
        try:
            return postgast.parse(text).stmts, postgast.scan(text).tokens
        except postgast.PgQueryError as error:
            at = len(text[: max(error.cursorpos - 1, 0)].encode())
            bared = _uncommented(text, at)
            if bared == text:
                error.cursorpos = len(raw[:at].decode()) + 1
                raise
            text = bared


def _trimmed(piece: str) -> str:
    """Return a piece with plain spaces around it.

    Postgres takes a byte order mark or a no-break space for a letter; the CLI trims it away.
    """
    begin = len(piece) - len(piece.lstrip(BLANK))
    end = max(begin, len(piece.rstrip(BLANK)))
    return piece[:begin].translate(_SPACES) + piece[begin:end] + piece[end:].translate(_SPACES)


def _uncommented(text: str, until: int) -> str:
    """Return the text with spaces for comments up to a byte, and for those right behind it."""
    raw = bytearray(text.encode())
    try:
        tokens = postgast.scan(text).tokens
    except postgast.PgQueryError as error:  # a string that goes on; up to there it is read rightly
        tokens = postgast.scan(text[: max(error.cursorpos - 1, 0)]).tokens
    behind = False
    for token in tokens:
        if token.token in COMMENTS:
            raw[token.start : token.end] = b" " * (token.end - token.start)
        elif behind:
            break
        behind = token.end > until
    return raw.decode()
