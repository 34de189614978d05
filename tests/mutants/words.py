"""The body of a function as the words of Postgres's scanner, and cuts into it.

The scanner knows strings, comments and operators of PL/pgSQL too; what is found by its words is
never inside one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import postgast
from postgast import pg_query_pb2 as pb

_COMMENTS = {pb.SQL_COMMENT, pb.C_COMMENT}
_OPEN, _CLOSE = {"(", "["}, {")", "]"}


class Word(NamedTuple):
    """A word in lower case, and where it stands, in bytes."""

    text: str
    start: int
    end: int


class Body:
    """The words of a function's body."""

    def __init__(self, text: str) -> None:
        self._raw = text.encode()
        self.words = [
            Word(self._raw[token.start : token.end].decode().lower(), token.start, token.end)
            for token in postgast.scan(text).tokens
            if token.token not in _COMMENTS
        ]

    def at(self, index: int, *wanted: str) -> bool:
        """Whether these words follow each other from an index on; `*` is any."""
        found = self.words[index : index + len(wanted)]
        return len(found) == len(wanted) and all(
            want in ("*", word.text) for want, word in zip(wanted, found, strict=True)
        )

    def find(self, *wanted: str) -> Iterator[int]:
        """Every index from which on these words follow each other."""
        return (index for index in range(len(self.words)) if self.at(index, *wanted))

    def until(self, index: int, ends: Sequence[str]) -> int:
        """The index of the first of these words outside of brackets and CASE, or of the end."""
        depth = 0
        for there in range(index, len(self.words)):
            text = self.words[there].text
            if depth == 0 and text in ends:
                return there
            depth += (text in _OPEN or text == "case") - (text in _CLOSE or text == "end")
            if depth < 0:
                return there
        return len(self.words)

    def back(self, index: int, *wanted: str) -> int | None:
        """The nearest index before, outside of brackets and in the statement, of these words."""
        depth = 0
        for there in range(index - 1, -1, -1):
            text = self.words[there].text
            depth += (text in _CLOSE) - (text in _OPEN)
            if depth < 0 or text == ";":
                return None
            if depth == 0 and self.at(there, *wanted):
                return there
        return None

    def without(self, first: int, end: int, instead: str = "") -> str:
        """The text with something else instead of the words from `first` to before `end`."""
        start, stop = self.words[first].start, self.words[end - 1].end
        return (self._raw[:start] + instead.encode() + self._raw[stop:]).decode()

    def text(self, first: int, end: int) -> str:
        """The text of the words from `first` to before `end`."""
        return self._raw[self.words[first].start : self.words[end - 1].end].decode()
