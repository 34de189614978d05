"""What statements mean, whatever their layout: a hash over their tokens.

Comments, white space and the case of unquoted names do not count; neither do they inside the body
of a function in SQL or PL/pgSQL. Every other literal counts to the byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase

import postgast
from postgast import pg_query_pb2 as pb

from tillroll.migrate.parser.readable import COMMENTS

__all__ = ["bodies_alike", "meaning"]

_READ = {"sql", "plpgsql"}  # languages whose bodies this scanner can read
_ROUTINES = {"function", "procedure"}
_FOLDED = str.maketrans(
    ascii_uppercase, ascii_lowercase
)  # Postgres leaves other letters as they are


def meaning(statements: Iterable[str]) -> str:
    """Return the hash of statements, as hexadecimal; those without a token do not count."""
    digest = hashlib.sha256()
    for statement in statements:
        words = _words(statement)
        if words is None:
            digest.update(statement.encode())
        elif words:
            digest.update("\x1f".join(_without_layout(words)).encode())
        else:
            continue
        digest.update(b"\x1e")
    return digest.hexdigest()


def bodies_alike(one: str, other: str) -> bool:
    """Whether two bodies in SQL or PL/pgSQL differ in comments, white space and case only."""
    first = _words(one)
    return first is not None and first == _words(other)


def _words(text: str) -> list[str] | None:
    """Return the tokens of a text, what is not quoted in lower case; None if unreadable."""
    raw = text.encode()
    try:
        tokens = postgast.scan(text).tokens
    except postgast.PgQueryError:
        return None
    found = []
    for token in tokens:
        if token.token in COMMENTS:
            continue
        word = raw[token.start : token.end].decode()
        plain = token.keyword_kind != pb.NO_KEYWORD or (
            token.token == pb.IDENT and not word.endswith('"')
        )
        found.append(word.translate(_FOLDED) if plain else word)
    return found


def _without_layout(words: list[str]) -> list[str]:
    """Replace the body of a routine or DO block by its own tokens."""
    at = _body_at(words)
    if at is None or _language(words) not in _READ:
        return words
    body = _literal(words[at])
    inside = None if body is None else _words(body)
    return words if inside is None else [*words[:at], "\x1d", *inside, "\x1d", *words[at + 1 :]]


def _body_at(words: list[str]) -> int | None:
    if words[0] == "do":
        return next((n for n, word in enumerate(words) if _literal(word) is not None), None)
    if words[0] != "create" or not _ROUTINES & set(words[1:4]):
        return None
    return next(
        (n + 1 for n, word in enumerate(words[:-1]) if word == "as" and _literal(words[n + 1])),
        None,
    )


def _language(words: list[str]) -> str:
    for before, word in pairwise(words):
        if before == "language":
            return word.strip("'\"").lower()
    return "plpgsql" if words[0] == "do" else ""


def _literal(word: str) -> str | None:
    """Return what a quoted literal says, None where it is another token or has escapes."""
    if word.startswith("'"):
        return word[1:-1].replace("''", "'")
    if word.startswith("$") and word.endswith("$"):
        tag = word.index("$", 1) + 1
        return word[tag:-tag]
    return None
