"""Where each session stands at each moment: what every picture of an act is drawn from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tillroll.races.record import ActRecord, Moment

__all__ = ["ANOMALY", "KINDS", "Lane", "Mark", "Row", "amounts", "plain", "rows", "says"]

Lane = Literal["out", "open", "wait"]
Mark = Literal["", "begin", "commit", "rollback"]

ANOMALY = "!!"  # letters, so that it stands out where there is no colour, nor a good font
KINDS = {"naive": "Naive", "other": "Another level or lock", "tillroll": "Tillroll"}

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_BEGIN = re.compile(r"(begin|start transaction)\b", re.IGNORECASE)
_TO_SAVEPOINT = re.compile(r"rollback\s+(work\s+|transaction\s+)?to\b", re.IGNORECASE)
_COMMIT = re.compile(r"(commit|end)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """A moment, and where all sessions stand.

    Attributes:
        number: From 1.
        mark: What the moment did to its session's transaction.
        before, after: By session: outside a transaction, in an open one, or waiting. Only the
            moment's own session moves.
    """

    number: int
    moment: Moment
    mark: Mark
    before: Mapping[str, Lane]
    after: Mapping[str, Lane]


def rows(act: ActRecord) -> Iterator[Row]:
    """Yield the moments of an act in order."""
    inside: set[str] = set()
    lanes: dict[str, Lane] = dict.fromkeys(act.sessions, "out")
    sent: dict[str, str] = {}
    for number, moment in enumerate(act.moments, 1):
        name, before = moment.session, dict(lanes)
        mark: Mark = ""
        if moment.what != "resumed":
            sent[name] = moment.sql
        if moment.what == "waits":
            lanes[name] = "wait"
        else:
            mark = _mark(sent.get(name, ""), moment)
            if mark == "begin":
                inside.add(name)
            elif name in inside and mark:
                inside.remove(name)
            else:
                mark = ""
            lanes[name] = "open" if name in inside else "out"
        yield Row(number, moment, mark, before, dict(lanes))


def says(moment: Moment) -> str:
    """Return the answer, unless it is but the statement's own name: `begin`, `commit`."""
    first = moment.sql.split(maxsplit=1)[:1]
    return "" if [moment.answer] == [word.lower().rstrip(";") for word in first] else moment.answer


def amounts(act: ActRecord) -> list[bool]:
    """Return for each column of what is left whether it holds numbers only."""
    columns = zip(*act.left, strict=True)
    found = [all(_NUMBER.fullmatch(str(value)) for value in column) for column in columns]
    return found or [False] * len(act.columns)


def plain(text: str, *, lines: bool = False) -> str:
    """Return a text with its control characters escaped: they could rewrite a terminal.

    Args:
        lines: Leave its line ends; else it becomes one line.
    """
    if lines:
        return "\n".join(map(plain, text.split("\n")))
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _mark(sql: str, moment: Moment) -> Mark:
    if moment.answer in ("commit", "rollback") and not _TO_SAVEPOINT.match(sql):
        return "commit" if moment.answer == "commit" else "rollback"
    if moment.code:
        return "rollback" if _COMMIT.match(sql) else ""
    return "begin" if _BEGIN.match(sql) else ""
