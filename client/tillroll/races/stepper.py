"""Run an act: send each step in its turn, see who waits for whom, and compare with the claims.

A step is over when its session has an answer, or when it waits for another session that will not
go on by itself. The order is the script's, never the clock's: who waits is asked of
`pg_blocking_pids`, and a session that waits has done so for longer than the server takes to look
for a deadlock, so that the one that closes a circle is always the one that is told.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg

from tillroll.races.lab import DEADLOCK_TIMEOUT, NAMES, Lab, LabError, as_alice, filled
from tillroll.races.record import ActRecord, Moment, RaceRecord, shown
from tillroll.races.script import Act, Race, Step

__all__ = ["run"]

_PATIENCE = 120.0  # seconds: a busy machine is slow, and a lab that hangs is a defect
_LOOK = 0.02  # seconds between two looks at who waits, unless an answer comes
_ABORTED = ("40001", "40P01")
_SLOTS = 16  # of an account in a race; backends that differ by this share one
_WAITING = """
select a.pid, pg_blocking_pids(a.pid),
    coalesce((
        select min(l.waitstart) < clock_timestamp() - make_interval(secs => %s)
        from pg_locks as l
        where l.pid = a.pid and not l.granted
    ), false)
from unnest(%s::int[]) as a (pid)
"""


def run(race: Race, lab: Lab) -> RaceRecord:
    """Run all acts of a race that the lab's server can show, each in a fresh database."""
    record = RaceRecord.of(race, lab.major)
    for act in race.acts:
        if act.since <= lab.major:
            with lab.database() as url:
                record.acts.append(_Play(act, url).record)
    return record


@dataclass(frozen=True)
class _Answer:
    """What a statement ended with: rows, a command's tag, or an error's code and message."""

    rows: list[tuple[Any, ...]] | None
    text: str
    code: str = ""


class _Actor:
    """A session: a connection of its own, and a thread in which it may wait."""

    def __init__(self, name: str, url: str, cleanup: ExitStack) -> None:
        self.name = name
        self.connection = cleanup.enter_context(psycopg.connect(url, autocommit=True))
        self.pid = self.connection.info.backend_pid
        self._thread = cleanup.enter_context(ThreadPoolExecutor(1))
        self.step: Step | None = None
        self.flight: Future[_Answer] | None = None
        self.waits_since = 0  # the moment in which its wait began, from 1; 0: it has not waited

    def send(self, step: Step, sql: str) -> None:
        work = self._retry if step.how == "retry" else self._execute
        self.step, self.waits_since = step, 0
        self.flight = self._thread.submit(work, sql, step.times)

    def cancel(self) -> None:
        """End what it waits for; the thread could not end otherwise."""
        while self.flight is not None and not self.flight.done():
            self.connection.cancel_safe()
            time.sleep(0.01)

    def _execute(self, sql: str, times: int) -> _Answer:
        try:
            for _ in range(times):
                done = self.connection.execute(sql.encode())
                while done.nextset():
                    pass
        except psycopg.Error as error:
            return _refusal(error)
        rows = done.fetchall() if done.description else None
        return _Answer(rows, (done.statusmessage or "").lower() if rows is None else _said(rows))

    def _retry(self, sql: str, most: int) -> _Answer:
        """Do as PostgREST 14 does: begin again at once, for as long as the answer is 40001."""
        count = 0
        while True:
            count += 1
            self.connection.execute("begin")
            answer = self._execute(sql, 1)
            self.connection.execute("rollback" if answer.code else "commit")
            if answer.code not in _ABORTED or count == most:
                break
        times = "once" if count == 1 else f"{count:,} times"
        if answer.code in _ABORTED:
            return _Answer(
                [(count,)], f"executed {times}, {answer.code} each time, no end in sight"
            )
        return _Answer([(count,)], f"executed {times}, then {answer.text}", answer.code)


class _Play:
    """One act on one database; `record` is what happened."""

    def __init__(self, act: Act, url: str) -> None:
        self.record = ActRecord.of(act)
        self._values: dict[str, object] = dict(NAMES)
        with ExitStack() as cleanup:
            self._control = cleanup.enter_context(psycopg.connect(url, autocommit=True))
            if act.setup:
                self._control.execute(filled(act.setup, self._values).encode())
            self._actors: dict[str, _Actor] = {}
            for name in act.sessions:
                self._actors[name] = self._enter(name, act, url, cleanup)
            for actor in self._actors.values():
                cleanup.callback(actor.cancel)
            for step in act.steps:
                if not self._take(step):
                    break
            for actor in self._actors.values():
                if actor.flight is not None:
                    self._surprise(f"{actor.name} still waits at the end")
                    actor.cancel()
            for actor in self._actors.values():
                actor.connection.close()
            self._conclude(act)

    def _enter(self, name: str, act: Act, url: str, cleanup: ExitStack) -> _Actor:
        """Open a session; its backend's number chooses a slot, and shares it with no other's."""
        taken = {actor.pid % _SLOTS for actor in self._actors.values()}
        while True:
            actor = _Actor(name, as_alice(url) if act.kind == "tillroll" else url, cleanup)
            if actor.pid % _SLOTS not in taken:
                return actor

    def _take(self, step: Step) -> bool:
        """Take a step; return False where the act cannot go on, since its session still waits."""
        actor = self._actors[step.session]
        if step.how == "pass":
            self._settle(until=actor)
            return True
        if actor.flight is not None:
            self._surprise(f"{step.session} still waits and cannot send: {_shown_sql(step)}")
            return False
        actor.send(step, filled(step.sql, self._values))
        waits_for = self._settle().get(step.session, ())
        if waits_for:
            self.record.moments.append(
                Moment(step.session, "waits", _shown_sql(step), waits_for=waits_for)
            )
            actor.waits_since = len(self.record.moments)
        if bool(waits_for) != step.waits:
            waited = "waited" if waits_for else "did not wait"
            self._surprise(f"{step.session} {waited}: {_shown_sql(step)}")
        return True

    def _settle(self, until: _Actor | None = None) -> dict[str, tuple[str, ...]]:
        """Let all go on until each has its answer, or waits for one who will not go on by itself.

        Args:
            until: Who has to have an answer, however long that takes.

        Returns:
            For whom those wait who do.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            flying = [actor for actor in self._actors.values() if actor.flight is not None]
            waits = self._waits(flying)
            # An answer that has come since may have freed somebody: then look again.
            news = self._collect(waits)
            settled = all(a.name in waits for a in flying) and not _circle(waits)
            if settled and not news and (until is None or until.flight is None):
                return waits
            if time.monotonic() > deadline:
                raise LabError("a session neither ends nor waits for another")
            flights = [actor.flight for actor in flying if actor.flight is not None]
            wait(flights, _LOOK, FIRST_COMPLETED)

    def _waits(self, flying: list[_Actor]) -> dict[str, tuple[str, ...]]:
        names = {actor.pid: actor.name for actor in self._actors.values()}
        rows = self._control.execute(
            _WAITING, [3 * DEADLOCK_TIMEOUT, [actor.pid for actor in flying]]
        ).fetchall()
        found = {
            names[pid]: tuple(sorted({names[each] for each in blockers if each in names}))
            for pid, blockers, has_for_long in rows
            if has_for_long
        }
        return {name: blockers for name, blockers in found.items() if blockers}

    def _collect(self, waits: dict[str, tuple[str, ...]]) -> bool:
        """Write down the answers that have come; return whether there were any.

        What was sent last comes first, then who has waited longest: another's answer may be quicker
        than that which freed it, so nobody's is written down before those that it may rest on.
        """
        news = False
        for actor in sorted(self._actors.values(), key=lambda actor: actor.waits_since):
            if actor.flight is None or actor.step is None or actor.name in waits:
                continue
            if not actor.flight.done():
                break
            step, answer, actor.flight = actor.step, actor.flight.result(), None
            news = True
            self.record.moments.append(
                Moment(
                    step.session,
                    "resumed" if actor.waits_since else "sent",
                    "" if actor.waits_since else _shown_sql(step),
                    answer.text,
                    answer.code,
                    note=step.anomaly or step.note,
                    anomaly=bool(step.anomaly),
                )
            )
            self._compare(step, answer)
        return news

    def _compare(self, step: Step, answer: _Answer) -> None:
        if answer.code != step.fails:
            self._surprise(
                f"{step.session} was told {answer.code or answer.text}"
                f" where the page claims {step.fails or 'success'}: {_shown_sql(step)}"
            )
        if step.gives is not None and not answer.code and answer.rows != _rows(step.gives):
            self._surprise(f"{step.session} got {answer.rows}, not {step.gives}: {step.sql}")
        if step.keeps and answer.rows:
            self._values.update(zip(step.keeps, answer.rows[0], strict=True))

    def _conclude(self, act: Act) -> None:
        left = self._control.execute(filled(act.final, self._values).encode())
        self.record.columns = [column.name for column in left.description or ()]
        rows = left.fetchall()
        self.record.left = [[shown(value) for value in row] for row in rows]
        if rows != _rows(act.leaves):
            self._surprise(f"{rows} is left, not {act.leaves}")
        asked = self._control.execute(filled(act.check, self._values).encode()).fetchone()
        self.record.rule_holds = asked is not None and asked[0] is True
        if self.record.rule_holds == act.breaks:
            self._surprise("the rule holds" if act.breaks else "the rule is broken")

    def _surprise(self, what: str) -> None:
        self.record.surprises.append(what)


def _refusal(error: psycopg.Error) -> _Answer:
    message = error.diag.message_primary or str(error)
    if error.sqlstate != "PGRST":
        return _Answer(None, message, error.sqlstate or "08006")
    body = json.loads(message)
    return _Answer(None, body["message"], body["code"])


def _rows(claimed: Any) -> list[tuple[Any, ...]]:
    """Return claimed rows in full: a single value stands for one row of it."""
    return list(claimed) if isinstance(claimed, list) else [(claimed,)]


def _said(rows: list[tuple[Any, ...]]) -> str:
    if not rows:
        return "no rows"
    return "; ".join(", ".join(map(shown, row)) for row in rows)


def _shown_sql(step: Step) -> str:
    return step.shown or " ".join(step.sql.split())


def _circle(waits: dict[str, tuple[str, ...]]) -> bool:
    """Whether some wait for each other: the server will find that out, and tell one of them."""

    def reaches(name: str, goal: str, seen: frozenset[str]) -> bool:
        return any(
            each == goal or (each not in seen and reaches(each, goal, seen | {each}))
            for each in waits.get(name, ())
        )

    return any(reaches(name, name, frozenset()) for name in waits)
