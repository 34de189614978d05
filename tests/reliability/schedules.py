"""Every order of two concurrent calls, statement by statement, ends as one after the other would.

The engine's functions have a breakpoint before each statement that others can see
(breakpoints.py). A schedule says who runs, and how far. A session that has to wait for a lock hands
over to the other, which costs nothing; one that is stopped at a breakpoint is preempted. What each
caller was told, and all that the book holds in the end, has to be one of the outcomes of the same
calls one after the other, in some order; verify_book has to be clean; nobody may meet a deadlock. A
call at a level above read committed may be aborted, and then has to have left nothing.

Each schedule has a book of its own, so that nothing has to be undone. Not explored: more
preemptions than the form of the run says, and preemptions within a statement, other than by waiting
for a lock and before each of the rows that it locks.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import combinations, count, permutations
from random import Random

from tests.conftest import Database
from tests.reliability.breakpoints import REWIND, SESSION
from tests.reliability.stepped import Answer, Stepped, settle, until_progress

ABORTED = ("40001", "serialization_conflict")
NAMES = {name: f"00000000-0000-7000-8000-{number:012}" for number, name in enumerate("abcdhgj")}
"""Of accounts (d is the world outside), holds (h, j) and a group (g): the same in each book."""
USERS = {"heidi": "00000000-0000-7000-8000-0000000000ff"}
_WORLD = """
select ledger.create_book('Book', 'EUR', id => {book});
select ledger.open_account({book}, 'a', 'asset', 'EUR', id => {a});
select ledger.open_account({book}, 'b', 'asset', 'EUR', id => {b});
select ledger.open_account({book}, 'c', 'asset', 'EUR', id => {c});
select ledger.open_account({book}, 'd', 'equity', 'EUR', id => {d});
select ledger.transfer({book}, {d}, {a}, 100, description => 'first');
select ledger.transfer({book}, {d}, {b}, 100);
"""
_FIRST = """(
    select t.id from ledger_private.transactions as t
    where t.book_id = {book} and t.description = 'first'
)"""
_STATE = """
select json_build_object(
    'balances', (
        select json_agg(json_build_array(
            b.account_id, b.posted, b.held, b.version, b.status, b.min_balance, b.max_balance
        ) order by b.account_id)
        from ledger_private.balances as b where b.book_id = {book}
    ),
    'transactions', (
        select json_agg(s.t order by s.t) from (
            select jsonb_build_object(
                'kind', t.kind, 'key', t.idempotency_key, 'description', t.description,
                'reverses', t.reverses_id is not null,
                'entries', (
                    select jsonb_agg(jsonb_build_array(
                        e.account_id, e.amount, e.version, e.balance_after
                    ) order by e.leg)
                    from ledger_private.entries as e
                    where e.book_id = t.book_id and e.transaction_id = t.id
                )
            ) as t
            from ledger_private.transactions as t where t.book_id = {book}
        ) as s
    ),
    'holds', (
        select json_agg(json_build_array(h.id, h.state, h.captured, h.released) order by h.id)
        from ledger_private.holds as h where h.book_id = {book}
    ),
    'groups', (
        select json_agg(json_build_array(g.id, g.min_total, g.version, array(
            select m.account_id from ledger_private.account_group_members as m
            where m.book_id = g.book_id and m.group_id = g.id order by m.account_id
        )) order by g.id)
        from ledger_private.account_groups as g where g.book_id = {book}
    ),
    'periods', (
        select json_agg(json_build_array(p.from_date, p.to_date) order by p.from_date)
        from ledger_private.period_locks as p where p.book_id = {book}
    ),
    'people', (
        select json_agg(json_build_array(m.user_id, m.role, array(
            select h.account_id || h.access from ledger_private.account_holders as h
            where h.book_id = m.book_id and h.user_id = m.user_id order by 1
        )) order by m.user_id)
        from ledger_private.book_members as m where m.book_id = {book}
    )
)::text,
not exists (select from ledger.verify_book({book}) as v where v.ok is not true)
"""
_BEGUN = Answer((("f",),))
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+Z-]+|e\d-\d{16}-\d+")


@dataclass(frozen=True)
class Call:
    """One call of a function of `ledger`, in a transaction of its own.

    Attributes:
        text: The call; in braces the names of accounts, the book and so on.
        then: What its transaction reads afterwards: that nothing slips past a rule shows when it
            is compared with what was there under the rule.
        user: Who calls; None for the owner of the schema.
    """

    text: str
    then: str = ""
    level: str = "read committed"
    user: str | None = None


@dataclass(frozen=True)
class Scenario:
    """Calls that share a lock, and what is there before: a and b have 100 each, and no less."""

    name: str
    calls: tuple[Call, ...]
    given: str = ""


@dataclass(frozen=True)
class Turn:
    """Let one call go on.

    Attributes:
        call: Its place among the scenario's.
        until: The number of the breakpoint where it is stopped, or before its commit, where it
            meets fewer; 0 is before its first statement, with its transaction begun. None lets it
            go on to its end.
    """

    call: int
    until: int | None = None


@dataclass(frozen=True)
class Ending:
    """What the callers were told, what the book holds, and whether that is sound.

    Comparable over books.
    """

    told: tuple[str, ...]
    state: str
    sound: bool


@dataclass
class _Actor:
    """A session on its way through one call: it begins, calls and commits."""

    session: Stepped
    messages: list[str] = field(default_factory=list)
    sent: int = 0
    told: str = ""

    @property
    def ended(self) -> bool:
        return self.sent == 3 and self.session.answer is not None

    @property
    def stands(self) -> str:
        """Where it is: it `waits`, has `called` or `ended`, or stands at a breakpoint."""
        if self.session.waits:
            return "waits"
        return self.session.halted or ("begun", "called", "ended")[self.sent - 1]

    def send_next(self) -> None:
        self.session.send(self.messages[self.sent])
        self.sent += 1


class Driver:
    """Sessions on a database whose functions have breakpoints, and what stops them there."""

    def __init__(self, database: Database, stack: ExitStack, size: int) -> None:
        connections = [stack.enter_context(database.connect()) for _ in range(size + 1)]
        for connection in connections:
            connection.execute(SESSION)
        self._control, *others = connections
        self._actors = [_Actor(Stepped(connection)) for connection in others]
        self._control.execute(
            "insert into auth.users (id) select unnest(%s::uuid[]) on conflict do nothing",
            [list(USERS.values())],
        )

    def play(self, scenario: Scenario, turns: Sequence[Turn]) -> tuple[Ending, list[str]]:
        """Run the calls of a scenario in a new book; the ending, and where each turn ended.

        After the turns all go on to their end, in their order.
        """
        names = {**NAMES, **USERS, "book": str(uuid.uuid4())}
        literals = {name: f"'{value}'" for name, value in names.items()}
        literals["first"] = _FIRST.format_map(literals)
        self._control.execute((_WORLD + scenario.given).format_map(literals))
        self._playing = self._actors[: len(scenario.calls)]
        for actor, call in zip(self._playing, scenario.calls, strict=True):
            actor.messages, actor.sent, actor.told = _messages(call, literals), 0, ""
            actor.session.connection.execute(REWIND)

        self._stop_at([turn for turn in turns if turn.until])
        stood = [self._go_on(self._playing[turn.call], turn.until) for turn in turns]
        while left := [actor for actor in self._playing if not actor.ended]:
            if all(actor.session.waits for actor in left):
                until_progress([actor.session for actor in left])
            for actor in left:
                self._go_on(actor, None)
        self._control.execute("select pg_advisory_unlock_all()")

        found = self._control.execute(_STATE.format_map(literals)).fetchone()
        assert found is not None
        state, sound = found
        told = tuple(_plain(actor.told, names) for actor in self._playing)
        return Ending(told, _plain(state, names), sound), stood

    def _go_on(self, actor: _Actor, until: int | None) -> str:
        self._settle()
        if actor.session.waits or actor.ended:
            return actor.stands
        if actor.sent == 0:
            actor.send_next()
            self._settle()
            assert actor.session.answer == _BEGUN, actor.session.answer
            if until == 0:
                return actor.stands
        if actor.session.halted is not None:
            self._release(actor.session)
        elif actor.sent == 1:
            actor.send_next()
        self._settle()
        if actor.sent == 2 and actor.session.answer is not None and until is None:
            actor.told = _told(actor.session.answer)
            actor.send_next()
            self._settle()
            if actor.session.answer.error:
                actor.told = _told(actor.session.answer)
        return actor.stands

    def _settle(self) -> None:
        settle([actor.session for actor in self._playing], self._control)

    def _stop_at(self, turns: Sequence[Turn]) -> None:
        self._control.execute(
            "select pg_advisory_lock(p, n) from unnest(%s::integer[], %s::integer[]) as s (p, n)",
            [[self._playing[t.call].session.pid for t in turns], [t.until for t in turns]],
        )

    def _release(self, session: Stepped) -> None:
        assert session.halted is not None
        number = int(session.halted.split()[0])
        session.halted = None
        self._control.execute("select pg_advisory_unlock(%s, %s)", [session.pid, number])


def _messages(call: Call, literals: dict[str, str]) -> list[str]:
    claims, role = "", ""
    if call.user is not None:
        claims = json.dumps({"sub": USERS[call.user], "role": "authenticated"})
        role = "set local role authenticated;"
    # The first statement, as PostgREST's: from here the stronger levels have their snapshot.
    return [
        f"begin isolation level {call.level};{role}"
        f"select set_config('request.jwt.claims', '{claims}', true) is null",
        ";".join(
            f"select to_json(r) from ledger.{text.format_map(literals)} as r"
            for text in filter(None, (call.text, call.then))
        ),
        "commit",
    ]


def _told(answer: Answer) -> str:
    """A call's rows, or its refusal with its facts, or that it was aborted."""
    if answer.code in ABORTED:
        return "aborted"
    if answer.error == "PGRST":
        return f"{answer.code} {json.loads(answer.message)['details']}"
    return f"{answer.error} {answer.message}" if answer.error else str(answer.rows)


def _plain(text: str, names: dict[str, str]) -> str:
    """Without what differs from book to book: ids that calls made, moments, cursors."""
    known = {value: name for name, value in names.items()}
    return _MOMENT.sub("(moment)", _ID.sub(lambda found: known.get(found[0], "(id)"), text))


def serial(driver: Driver, scenario: Scenario) -> dict[frozenset[int], set[Ending]]:
    """The outcomes of the calls one after the other, in each order, by those that were aborted.

    Who was aborted has not taken place.
    """
    everybody = range(len(scenario.calls))
    optimistic = [n for n in everybody if scenario.calls[n].level != "read committed"]
    outcomes: dict[frozenset[int], set[Ending]] = {}
    for size in range(len(optimistic) + 1):
        for aborted in combinations(optimistic, size):
            taking = [n for n in everybody if n not in aborted]
            part = replace(scenario, calls=tuple(scenario.calls[n] for n in taking))
            found = outcomes.setdefault(frozenset(aborted), set())
            for order in permutations(range(len(taking))):
                ending, _ = driver.play(part, [Turn(n) for n in order])
                told = dict(zip(taking, ending.told, strict=True))
                found.add(replace(ending, told=tuple(told.get(n, "aborted") for n in everybody)))
    return outcomes


@dataclass
class Exploration:
    """What came of the schedules of one scenario.

    Attributes:
        schedules: How many were run.
        waits: In how many somebody had to wait in his turn.
        aborts: In how many somebody was aborted.
        faults: The schedules with another ending than the serial ones, and it.
    """

    driver: Driver
    scenario: Scenario
    schedules: int = 0
    waits: int = 0
    aborts: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outcomes = serial(self.driver, self.scenario)

    def play(self, *turns: Turn) -> list[str]:
        """Run one schedule and judge it; where its turns ended."""
        ending, stood = self.driver.play(self.scenario, turns)
        aborted = frozenset(n for n, told in enumerate(ending.told) if told == "aborted")
        self.schedules += 1
        self.waits += "waits" in stood
        self.aborts += bool(aborted)
        if not ending.sound or ending not in self.outcomes.get(aborted, ()):
            way = ", ".join(f"{t.call} {at}" for t, at in zip(turns, stood, strict=True))
            self.faults.append(f"{self.scenario.name} [{way}] {ending.told} {ending.state}")
        return stood

    def explore(self, preemptions: int) -> None:
        """Every schedule of two calls with so many preemptions, or fewer."""
        for number in range(1, preemptions + 1):
            for first in (0, 1):
                self._branch((), first, number)

    def _branch(self, past: tuple[Turn, ...], runs: int, preemptions: int) -> list[str]:
        """Go on with one call, stopping it at each of its breakpoints in turn."""
        if not preemptions:
            return self.play(*past, Turn(runs))
        stopped = [turn.until for turn in past if turn.call == runs]
        for until in count(1 + (stopped[-1] or 0) if stopped else self._earliest(runs)):
            stood = self._branch((*past, Turn(runs, until)), 1 - runs, preemptions - 1)
            # Where it waits, it does so wherever it was meant to stop after that.
            if stood[len(past)] in ("called", "waits", "ended"):
                break
        return stood

    def drawn(self, dice: Random, times: int, turns: int) -> None:
        """Schedules of drawn turns: who goes on, and how far."""
        calls = range(len(self.scenario.calls))
        for _ in range(times):
            met = [0 for _ in calls]
            drawn = []
            for _ in range(turns):
                n = dice.choice(calls)
                met[n] += dice.randint(1, 8)
                drawn.append(Turn(n, met[n]))
            self.play(*drawn, *(Turn(n) for n in dice.sample(calls, len(calls))))

    def _earliest(self, call: int) -> int:
        return 1 if self.scenario.calls[call].level == "read committed" else 0
