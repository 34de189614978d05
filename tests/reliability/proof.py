"""What a part of the proof is: a seed, a size, what it did, and its figures against the bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

Size = Literal["short", "long"]
Figure = int | float | str


@dataclass(frozen=True)
class Check:
    """One line of the verdict: what was asked for, and what came out."""

    name: str
    bar: str
    measured: str
    ok: bool


@dataclass(frozen=True)
class Event:
    """Something that happened to the system, `at` seconds after the part began."""

    at: float
    what: str


@dataclass
class Run:
    """One run of one part. The part draws everything from `dice`, so that the seed repeats it.

    Args:
        part: Its name.
        seed: Of the whole run; each part has dice of its own.
        size: `short` for every `make test`, `long` for `make reliability`.
        folder: For what it keeps: histories, logs.
    """

    part: str
    seed: int
    size: Size
    folder: Path
    say: Callable[[str], None] = field(default=lambda _: None, repr=False)
    plan: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    figures: dict[str, Figure] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = Random(f"{self.seed} {self.part}")
        self._began = time.monotonic()

    @property
    def is_long(self) -> bool:
        return self.size == "long"

    @property
    def seconds(self) -> float:
        """Since the part began."""
        return time.monotonic() - self._began

    @property
    def ok(self) -> bool:
        """Whether something was checked, and all of it holds."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def planned(self, what: str) -> None:
        """Write down a step that was drawn, before it is taken."""
        self.plan.append(what)

    def happened(self, what: str) -> None:
        """Write down a fault or another event, now."""
        self.events.append(Event(round(self.seconds, 3), what))
        self.say(f"{self.part} {self.seconds:7.1f} s  {what}")

    def figure(self, name: str, value: Figure) -> None:
        """Report a number."""
        self.figures[name] = value

    def check(self, name: str, *, bar: str, measured: object, ok: bool) -> None:
        """Report whether the bar is met; a part goes on after one that is not."""
        self.checks.append(Check(name, bar, str(measured), ok))

    def none(self, name: str, found: object) -> None:
        """Report that what must not be is not: a collection that has to be empty, a zero."""
        measured = "0" if not found else repr(found)[:500]
        self.check(name, bar="0", measured=measured, ok=not found)

    def at_least(self, name: str, bar: int, measured: int) -> None:
        """Report a number that has to reach a bar, which only the long form has to."""
        self.check(
            name,
            bar=f"≥ {bar:,}" if self.is_long else "any",
            measured=f"{measured:,}",
            ok=measured >= (bar if self.is_long else 1),
        )


Part = Callable[[Run], None]
