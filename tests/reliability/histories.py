"""Histories of clients that append to lists: recorded, written as EDN for Elle, read from JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Literal, NamedTuple

Type = Literal["invoke", "ok", "fail", "info"]


class Append(NamedTuple):
    """`value` is added to the end of the list `key`; a list gets each value once."""

    key: int
    value: int


class Read(NamedTuple):
    """The list `key` is seen whole; None where it is not known what was seen."""

    key: int
    values: tuple[int, ...] | None = None


Micro = Append | Read
Micros = tuple[Micro, ...]


class Unknown(Exception):
    """No answer came: the transaction may have been committed or not."""


class Denied(Exception):
    """The transaction was refused or rolled back: it left nothing behind."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of a history: a client begins a transaction, or learns what became of it.

    Args:
        index: Its place in the history, from 0.
        time: Nanoseconds since the history began.
        process: Who; she does one thing at a time, and nothing more after `info`.
        type: `info` where the outcome is unknown.
    """

    index: int
    time: int
    process: int
    type: Type
    value: Micros


@dataclass(frozen=True, slots=True)
class Transaction:
    """Both lines of it, as one.

    Args:
        began: Index of its first line, by which it is called.
        ended: Index of its second, None where the outcome was never learnt.
    """

    began: int
    ended: int | None
    type: Type
    value: Micros


class Recorder:
    """A history in the making. Clients share it: what is recorded later happened later.

    Args:
        processes: How many clients there are, numbered from 0.
    """

    def __init__(self, processes: int) -> None:
        self.operations: list[Operation] = []
        self._lives = processes
        self._names = list(range(processes))
        self._lock = Lock()
        self._began = time.monotonic_ns()

    def attempt(self, client: int, value: Micros, act: Callable[[], Micros]) -> Micros | None:
        """Record a transaction around the call that makes it.

        Args:
            value: What it is going to do.
            act: Does it and returns what was done, reads filled in; raises Denied or Unknown.

        Returns:
            What was done; None where it was denied or its outcome is unknown.
        """
        self.add(client, "invoke", value)
        try:
            done = act()
        except Denied:
            self.add(client, "fail", value)
        except Unknown:
            self.add(client, "info", value)
        else:
            self.add(client, "ok", done)
            return done
        return None

    def add(self, client: int, kind: Type, value: Micros) -> None:
        """Record one line, of a client who steps through a transaction by herself."""
        with self._lock:
            passed = time.monotonic_ns() - self._began
            line = Operation(len(self.operations), passed, self._names[client], kind, value)
            self.operations.append(line)
            if kind == "info":
                # A process whose fate is open ends here: the client goes on under another number.
                self._names[client] = self._lives
                self._lives += 1


def transactions(operations: Iterable[Operation]) -> list[Transaction]:
    """Pair the lines of a history; a transaction without a second line is of unknown outcome.

    Raises:
        ValueError: A process began twice, or ended what it had not begun.
    """
    under_way: dict[int, Operation] = {}
    paired: list[Transaction] = []
    for line in operations:
        if (line.type == "invoke") is (line.process in under_way):
            raise ValueError(f"operation {line.index} does not follow in process {line.process}")
        if line.type == "invoke":
            under_way[line.process] = line
            continue
        first = under_way.pop(line.process)
        ended = None if line.type == "info" else line.index
        paired.append(Transaction(first.index, ended, line.type, line.value))
    paired += [Transaction(left.index, None, "info", left.value) for left in under_way.values()]
    return sorted(paired, key=lambda made: made.began)


def edn(operations: Iterable[Operation]) -> Iterator[str]:
    """The lines of a history as Elle's `list-append` reads them."""
    for line in operations:
        value = " ".join(_edn_micro(micro) for micro in line.value)
        yield (
            f"{{:index {line.index}, :time {line.time}, :type :{line.type}, "
            f":process {line.process}, :f :txn, :value [{value}]}}"
        )


def json_lines(operations: Iterable[Operation]) -> Iterator[str]:
    """The lines of a history as JSON, with the names that EDN has."""
    for line in operations:
        value = [
            ["append", *micro] if isinstance(micro, Append) else ["r", *micro]
            for micro in line.value
        ]
        fields = {"index": line.index, "time": line.time, "type": line.type}
        yield json.dumps({**fields, "process": line.process, "f": "txn", "value": value})


def from_json_lines(lines: Iterable[str]) -> list[Operation]:
    """The history that `json_lines` wrote."""
    return [
        Operation(
            fields["index"],
            fields["time"],
            fields["process"],
            fields["type"],
            tuple(_micro(*micro) for micro in fields["value"]),
        )
        for fields in map(json.loads, lines)
    ]


def _edn_micro(micro: Micro) -> str:
    if isinstance(micro, Append):
        return f"[:append {micro.key} {micro.value}]"
    seen = "nil" if micro.values is None else f"[{' '.join(map(str, micro.values))}]"
    return f"[:r {micro.key} {seen}]"


def _micro(kind: str, key: int, value: int | Sequence[int] | None) -> Micro:
    if isinstance(value, int):
        if kind != "append":
            raise ValueError(f"no such micro-operation: {kind}")
        return Append(key, value)
    return Read(key, None if value is None else tuple(value))
