"""How a race is written down: acts, sessions, steps, and what each step is claimed to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Act", "Claims", "Kind", "Race", "Sender", "Step", "session"]

Kind = Literal["naive", "other", "tillroll"]
How = Literal["send", "retry", "pass"]
Claims = Sequence[Any]


@dataclass(frozen=True)
class Step:
    """Something that one session does, and what the page says will come of it.

    Args:
        session: Its name, the heading of its column.
        sql: What it sends; `:name` stands for a value of the lab or one that a step kept.
        shown: What is shown in its place, where the statement itself is no reading matter.
        how: `send` once; `retry`: in a transaction, again at once after each 40001 or 40P01, as
            PostgREST 14 does; `pass`: send nothing, let time pass until the session's wait ends.
        times: How often a statement is sent, or retried at most.
        waits: Whether it has to wait for another session.
        gives: The rows that it gives in the end, a single value alone; None: not claimed.
        fails: The SQLSTATE, or the ledger's code, that it ends with in the end.
        keeps: Names under which the row's values are kept for later steps.
        note: A remark beside it.
        anomaly: What is wrong with its answer, in a few words.
    """

    session: str
    sql: str
    shown: str = ""
    how: How = "send"
    times: int = 1
    waits: bool = False
    gives: Any = None
    fails: str = ""
    keeps: tuple[str, ...] = ()
    note: str = ""
    anomaly: str = ""


class Sender:
    """Writes the steps of one session: `a = session("A")`, then `a("begin")`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(
        self,
        sql: str,
        *,
        shown: str = "",
        times: int = 1,
        waits: bool = False,
        gives: Any = None,
        fails: str = "",
        keeps: str = "",
        note: str = "",
        anomaly: str = "",
    ) -> Step:
        """A statement; see `Step`. `keeps` names values, separated by blanks."""
        return Step(
            self._name,
            sql,
            shown=shown,
            times=times,
            waits=waits,
            gives=gives,
            fails=fails,
            keeps=tuple(keeps.split()),
            note=note,
            anomaly=anomaly,
        )

    def retries(
        self,
        sql: str,
        *,
        most: int,
        gives: Any = None,
        fails: str = "",
        keeps: str = "",
        note: str = "",
        anomaly: str = "",
    ) -> Step:
        """A call through a gateway that repeats what was aborted; it gives how often it ran."""
        return Step(
            self._name,
            sql,
            how="retry",
            times=most,
            gives=gives,
            fails=fails,
            keeps=tuple(keeps.split()),
            note=note,
            anomaly=anomaly,
        )

    def passes(self, note: str, *, gives: Any = None, fails: str = "") -> Step:
        """Let time pass until what the session waits for, or its patience, has ended."""
        return Step(self._name, "", shown=note, how="pass", gives=gives, fails=fails)


def session(name: str) -> Sender:
    """Return what writes the steps of the session of this name."""
    return Sender(name)


@dataclass(frozen=True)
class Act:
    """One way to write the code of a race, and how that goes.

    Args:
        kind: `naive`: as one writes it first; `other`: another level or lock, with what it costs;
            `tillroll`: the ledger's own functions.
        title: Which way that is, in a few words.
        story: What the code relies on, a paragraph.
        setup: SQL before the sessions begin.
        steps: In the order in which they are sent.
        final: The query for what is left when all sessions are done.
        leaves: The rows that it is claimed to give.
        rule: What the money's owner relies on, in words.
        check: A query for one boolean, whether the rule holds; the kept values may stand in it.
        breaks: Whether the rule is claimed to be broken.
        verdict: What happened and why, or what it costs, in a sentence or two.
        since: The first major version of Postgres that does this.
    """

    kind: Kind
    title: str
    story: str
    steps: tuple[Step, ...]
    final: str
    leaves: Claims
    rule: str
    check: str
    verdict: str
    breaks: bool = False
    setup: str = ""
    since: int = 15

    @property
    def sessions(self) -> list[str]:
        """The names of its sessions, in the order in which they first do something."""
        return list(dict.fromkeys(step.session for step in self.steps))


@dataclass(frozen=True)
class Race:
    """A question about concurrent money, with three answers.

    Args:
        name: As the commands take it, in lower case with hyphens.
        title: As the field calls it.
        question: What is at stake, in a sentence or two.
        acts: Naive, another level or lock, the ledger.
        lesson: What to take home, a paragraph.
        sources: Where it was described or seen: (what, URL).
    """

    name: str
    title: str
    question: str
    acts: tuple[Act, ...]
    lesson: str
    sources: tuple[tuple[str, str], ...] = ()
