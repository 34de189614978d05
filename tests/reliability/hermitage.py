"""Which anomalies Postgres prevents at which level: ten anomalies, three levels, thirty cells.

The anomalies, and the idea to step two or three sessions through each and to look, are those of
Martin Kleppmann's Hermitage (2014), after Adya's thesis (1999). Each scenario works on a table `t`
of two rows, (1, 10) and (2, 20). A step is a session's number and a statement, whose result has a
name where the verdict needs it; a transaction begins with its session's first step. What a
transaction saw that did not commit is not counted: nobody was told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby

from tests.conftest import Database
from tests.reliability.stepped import Stepped, settle

LEVELS = ("read committed", "repeatable read", "serializable")
Seen = dict[str, list[int]]


@dataclass(frozen=True)
class Scenario:
    """One way in which an anomaly could come about.

    Attributes:
        happened: Of what committed transactions have seen, whether it is the anomaly; results by
            their names, and by its number each session that committed.
        expected: For each level `possible` or `prevented`, and what the sessions were told.
    """

    anomaly: str
    steps: str
    happened: Callable[[Seen], bool]
    expected: tuple[str, str, str]
    variant: str = ""


@dataclass
class Outcome:
    """What came of it."""

    seen: Seen = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def tell(self, what: str) -> None:
        if what not in self.told:
            self.told.append(what)

    def verdict(self, happened: Callable[[Seen], bool]) -> str:
        """`possible` or `prevented`, and what the sessions were told in the meantime."""
        verdict = "possible" if happened(self.seen) else "prevented"
        return f"{verdict}: {', '.join(self.told)}" if self.told else verdict


_STEP = re.compile(r"(?P<session>[123]) (?:(?P<name>[a-z0-9 ]+): )?(?P<statement>.+)")

SCENARIOS = (
    Scenario(
        "G0 dirty write",
        """
        1 update t set v = 11 where id = 1
        2 update t set v = 12 where id = 1
        1 update t set v = 21 where id = 2
        1 commit
        2 update t set v = 22 where id = 2
        2 commit
        3 end: select v from t order by id
        3 commit
        """,
        lambda seen: seen["end"] in ([11, 22], [12, 21]),
        ("prevented: waits", "prevented: waits, 40001", "prevented: waits, 40001"),
    ),
    Scenario(
        "G1a aborted read",
        """
        1 update t set v = 101 where id = 1
        2 early: select v from t where id = 1
        1 rollback
        2 late: select v from t where id = 1
        2 commit
        """,
        lambda seen: [101] in (seen["early"], seen["late"]),
        ("prevented", "prevented", "prevented"),
    ),
    Scenario(
        "G1b intermediate read",
        """
        1 update t set v = 101 where id = 1
        2 early: select v from t where id = 1
        1 update t set v = 11 where id = 1
        1 commit
        2 late: select v from t where id = 1
        2 commit
        """,
        lambda seen: [101] in (seen["early"], seen["late"]),
        ("prevented", "prevented", "prevented"),
    ),
    Scenario(
        "G1c circular information flow",
        """
        1 update t set v = 11 where id = 1
        2 update t set v = 22 where id = 2
        1 other of 1: select v from t where id = 2
        2 other of 2: select v from t where id = 1
        1 commit
        2 commit
        """,
        lambda seen: (seen.get("other of 1"), seen.get("other of 2")) == ([22], [11]),
        ("prevented", "prevented", "prevented: 40001"),
    ),
    Scenario(
        "OTV observed transaction vanishes",
        """
        1 update t set v = 11 where id = 1
        1 update t set v = 21 where id = 2
        2 update t set v = 12 where id = 1
        1 commit
        3 x early: select v from t where id = 1
        2 update t set v = 22 where id = 2
        3 y early: select v from t where id = 2
        2 commit
        3 y late: select v from t where id = 2
        3 x late: select v from t where id = 1
        3 commit
        """,
        lambda seen: (
            (seen["x early"], seen["y early"]) == ([12], [21])
            or (seen["y late"], seen["x late"]) == ([22], [11])
        ),
        ("prevented: waits", "prevented: waits, 40001", "prevented: waits, 40001"),
    ),
    Scenario(
        "PMP predicate-many-preceders",
        """
        1 early: select id from t where v = 30
        2 insert into t values (3, 30)
        2 commit
        1 late: select id from t where v % 3 = 0
        1 commit
        """,
        lambda seen: (seen["early"], seen["late"]) == ([], [3]),
        ("possible", "prevented", "prevented"),
        "read",
    ),
    Scenario(
        "PMP predicate-many-preceders",
        """
        1 update t set v = v + 10
        2 delete from t where v = 20
        1 commit
        2 left: select id from t where v = 20
        2 commit
        """,
        lambda seen: seen.get("left") == [1],
        ("possible: waits", "prevented: waits, 40001", "prevented: waits, 40001"),
        "write",
    ),
    Scenario(
        "P4 lost update",
        """
        1 select v from t where id = 1
        2 select v from t where id = 1
        1 update t set v = 10 + 1 where id = 1
        2 update t set v = 10 + 2 where id = 1
        1 commit
        2 commit
        3 end: select v from t where id = 1
        3 commit
        """,
        lambda seen: {"1", "2"} <= seen.keys() and seen["end"] != [13],
        ("possible: waits", "prevented: waits, 40001", "prevented: waits, 40001"),
    ),
    Scenario(
        "G-single read skew",
        """
        1 x: select v from t where id = 1
        2 update t set v = 12 where id = 1
        2 update t set v = 18 where id = 2
        2 commit
        1 y: select v from t where id = 2
        1 commit
        """,
        lambda seen: (seen["x"], seen["y"]) == ([10], [18]),
        ("possible", "prevented", "prevented"),
        "rows",
    ),
    Scenario(
        "G-single read skew",
        """
        1 early: select id from t where v % 5 = 0 order by id
        2 update t set v = 12 where v = 10
        2 commit
        1 late: select id from t where v % 3 = 0
        1 commit
        """,
        lambda seen: (seen["early"], seen["late"]) == ([1, 2], [1]),
        ("possible", "prevented", "prevented"),
        "predicate",
    ),
    Scenario(
        "G-single read skew",
        """
        1 x: select v from t where id = 1
        2 update t set v = 12 where id = 1
        2 update t set v = 18 where id = 2
        2 commit
        1 deleted: delete from t where v = 20
        1 commit
        """,
        lambda seen: seen.get("x") == [10] and seen.get("deleted") == [0],
        ("possible", "prevented: 40001", "prevented: 40001"),
        "write",
    ),
    Scenario(
        "G-single read skew",
        """
        1 x: select v from t where id = 1
        2 y: select v from t where id = 2
        2 update t set v = 12 where id = 1
        1 delete from t where v = 20
        2 changed: update t set v = 18 where id = 2
        1 commit
        2 commit
        """,
        lambda seen: seen.get("y") == [20] and seen.get("changed") == [0],
        ("possible: waits", "prevented: waits, 40001", "prevented: waits, 40001"),
        "write, interleaved",
    ),
    Scenario(
        "G2-item write skew",
        """
        1 select v from t where id in (1, 2)
        2 select v from t where id in (1, 2)
        1 update t set v = 11 where id = 1
        2 update t set v = 21 where id = 2
        1 commit
        2 commit
        """,
        lambda seen: {"1", "2"} <= seen.keys(),
        ("possible", "possible", "prevented: 40001"),
    ),
    Scenario(
        "G2 anti-dependency cycle",
        """
        1 select id from t where v % 3 = 0
        2 select id from t where v % 3 = 0
        1 insert into t values (3, 30)
        2 insert into t values (4, 42)
        1 commit
        2 commit
        """,
        lambda seen: {"1", "2"} <= seen.keys(),
        ("possible", "possible", "prevented: 40001"),
        "two writers",
    ),
    Scenario(
        "G2 anti-dependency cycle",
        """
        1 all of 1: select v from t order by id
        2 update t set v = v + 5 where id = 2
        2 commit
        3 all of 3: select v from t order by id
        3 commit
        1 update t set v = 0 where id = 1
        1 commit
        """,
        lambda seen: (seen.get("all of 1"), seen["all of 3"]) == ([10, 20], [10, 25]),
        ("possible", "possible", "prevented: 40001"),
        "a reader between",
    ),
)


class Players:
    """Three sessions, and what each is in the middle of."""

    def __init__(self, database: Database, stack: ExitStack) -> None:
        self.observer = stack.enter_context(database.connect())
        self.sessions = [Stepped(stack.enter_context(database.connect())) for _ in range(3)]

    def play(self, steps: str, level: str) -> Outcome:
        """Take the steps one by one; who waits is not waited for, the others go on.

        The steps of a session that was refused are left out: its transaction is over.
        """
        self._level, self._outcome = level, Outcome()
        self._seen: dict[int, Seen] = {}
        self._doing: dict[int, tuple[str, str]] = {}
        self._refused: set[int] = set()
        for line in filter(None, map(str.strip, steps.splitlines())):
            step = _STEP.fullmatch(line)
            assert step is not None, line
            self._take(int(step["session"]), step["name"] or "", step["statement"])
        assert not self._doing, f"still waits: {self._doing}"
        return self._outcome

    def _take(self, number: int, name: str, statement: str) -> None:
        session = self.sessions[number - 1]
        if number in self._refused:
            return
        assert number not in self._doing, f"{number} still waits: {self._doing[number]}"
        if number not in self._seen:
            self._seen[number] = {}
            statement = f"begin isolation level {self._level}; {statement}"
        self._doing[number] = (name, statement)
        session.send(statement)
        settle(self.sessions, self.observer)
        for each in list(self._doing):
            self._note(each)

    def _note(self, number: int) -> None:
        session = self.sessions[number - 1]
        if session.waits:
            self._outcome.tell("waits")
        if session.answer is None:
            return
        name, statement = self._doing.pop(number)
        if session.answer.error:
            self._outcome.tell(session.answer.code)
            self._refused.add(number)
            session.connection.execute("rollback")
        elif statement == "commit":
            self._outcome.seen |= {**self._seen[number], str(number): []}
        elif name:
            self._seen[number][name] = [int(row[0] or 0) for row in session.answer.rows]


def outcome(players: Players, scenario: Scenario, level: str) -> str:
    """Whether the anomaly comes about at a level, and what the sessions are told."""
    players.observer.execute(
        "drop table if exists t; create table t (id integer primary key, v integer not null);"
        "insert into t values (1, 10), (2, 20)"
    )
    return players.play(scenario.steps, level).verdict(scenario.happened)


def cells(database: Database) -> dict[tuple[str, str], list[str]]:
    """The outcomes by anomaly, variant and level."""
    with ExitStack() as stack:
        players = Players(database, stack)
        return {
            (scenario.anomaly, scenario.variant): [
                outcome(players, scenario, level) for level in LEVELS
            ]
            for scenario in SCENARIOS
        }


def table() -> str:
    """The thirty cells in Markdown; where variants differ, an anomaly is possible if one is."""
    lines = ["| anomaly | " + " | ".join(LEVELS) + " |", "|---" * (len(LEVELS) + 1) + "|"]
    for anomaly, scenarios in groupby(SCENARIOS, lambda scenario: scenario.anomaly):
        columns = zip(*(scenario.expected for scenario in scenarios), strict=True)
        lines.append(f"| {anomaly} | " + " | ".join(map(_cell, columns)) + " |")
    return "\n".join(lines)


def _cell(outcomes: Collection[str]) -> str:
    """One cell of several variants: the worst of them, and all that sessions were told."""
    verdict = max((each.split(":")[0] for each in outcomes), key=["prevented", "possible"].index)
    told = {what: None for each in outcomes for what in each.partition(": ")[2].split(", ") if what}
    return verdict + (f" ({', '.join(told)})" if told else "")
