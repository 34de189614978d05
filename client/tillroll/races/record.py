"""What happened in a race, as data: moments, what was left, and which claims did not hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tillroll.races.script import Act, Kind, Race

__all__ = ["ActRecord", "Moment", "RaceRecord", "shown"]

What = Literal["sent", "waits", "resumed"]


@dataclass(frozen=True)
class Moment:
    """One line of the timeline.

    Attributes:
        session: Whose column it stands in.
        what: `sent`: a statement and its answer; `waits`: a statement that has to wait;
            `resumed`: the answer to one that had waited.
        sql: The statement, for people; empty where resumed.
        answer: Rows or a command's tag, for people; empty where it waits.
        code: SQLSTATE or the ledger's code; empty where it succeeded.
        waits_for: The sessions that hold what it waits for.
        note: A remark, or what is wrong with the answer where `anomaly`.
    """

    session: str
    what: What
    sql: str
    answer: str = ""
    code: str = ""
    waits_for: tuple[str, ...] = ()
    note: str = ""
    anomaly: bool = False


@dataclass
class ActRecord:
    """One act as it went.

    Attributes:
        setup, check: SQL: what it began with, and the query for whether the rule holds.
        columns, left: What was left when all sessions were done.
        rule_holds: Whether what the money's owner relies on still holds.
        surprises: The claims that were not met; empty: it went as the page says.
    """

    kind: Kind
    title: str
    story: str
    sessions: list[str]
    rule: str
    verdict: str
    setup: str
    check: str
    moments: list[Moment] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    left: list[list[Any]] = field(default_factory=list)
    rule_holds: bool = True
    surprises: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, act: Act) -> ActRecord:
        """Return the empty record of an act."""
        return cls(
            *(act.kind, act.title, act.story, act.sessions, act.rule, act.verdict),
            *(act.setup.strip(), act.check.strip()),
        )


@dataclass
class RaceRecord:
    """One race as it went, on a server of major version `postgres`."""

    name: str
    title: str
    question: str
    lesson: str
    sources: list[tuple[str, str]]
    postgres: int
    acts: list[ActRecord] = field(default_factory=list)

    @classmethod
    def of(cls, race: Race, postgres: int) -> RaceRecord:
        """Return the empty record of a race."""
        sources = list(race.sources)
        return cls(race.name, race.title, race.question, race.lesson, sources, postgres)

    @property
    def as_claimed(self) -> bool:
        """Whether everything went as its page says."""
        return not any(act.surprises for act in self.acts)


def shown(value: Any) -> str:
    """Return a value of a row as the timeline shows it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
