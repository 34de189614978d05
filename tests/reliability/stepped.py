"""Sessions that are told what to do and not waited for: a driver sees how far each has come.

One thread drives them all. What a session does is seen in three ways: its answer has come, it has
told of a breakpoint (a notice, which Postgres sends at once), or `pg_blocking_pids` says that it
waits for another of them.
"""

from __future__ import annotations

import json
import select
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

PATIENCE = 30.0
"""Seconds without any progress after which a schedule is given up."""
GLANCE = 0.001
"""Seconds of silence after which a session is asked whether it waits for a lock."""


@dataclass(frozen=True)
class Answer:
    """What came back of the last statement that was sent.

    Attributes:
        rows: Its rows as text; without rows, the number that it changed, where it tells one.
        error: SQLSTATE, None where it succeeded.
        message: What the server said with it.
    """

    rows: tuple[tuple[str | None, ...], ...]
    error: str | None = None
    message: str = ""

    @property
    def code(self) -> str:
        """The catalogue's code of a refusal, else the SQLSTATE; `none` where it succeeded."""
        if self.error == "PGRST":
            return str(json.loads(self.message)["code"])
        return self.error or "none"


@dataclass(eq=False)
class Stepped:
    """One session.

    Attributes:
        answer: Of the last `send`, None as long as it has not come; empty before the first.
        halted: The breakpoint where it stands, None where it runs.
        waits: Whether it waits for another session, as of the last `settle`.
    """

    connection: psycopg.Connection[Any]
    answer: Answer | None = Answer(())
    halted: str | None = None
    waits: bool = False

    def __post_init__(self) -> None:
        self.pid = self.connection.info.backend_pid
        self._results: list[PGresult] = []
        self.connection.add_notice_handler(self._noticed)

    @property
    def runs(self) -> bool:
        """Whether it neither stands at a breakpoint nor has answered."""
        return self.answer is None and self.halted is None

    def fileno(self) -> int:
        return self.connection.pgconn.socket

    def send(self, statements: str) -> None:
        """Let it begin with statements, several maybe; its answer is that of the last."""
        self.answer, self.halted, self.waits = None, None, False
        self.connection.pgconn.send_query(statements.encode())
        self.connection.pgconn.flush()

    def read(self) -> None:
        """Take in what has arrived."""
        wire = self.connection.pgconn
        wire.consume_input()
        while self.answer is None and not wire.is_busy():
            result = wire.get_result()
            if result is None:
                self.answer, self.waits = _answer(self._results[-1]), False
                self._results.clear()
            else:
                self._results.append(result)

    def _noticed(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.message_primary == "breakpoint":
            self.halted, self.waits = notice.message_detail, False


def _answer(result: PGresult) -> Answer:
    if result.status == ExecStatus.FATAL_ERROR:
        said = psycopg.Error(info=result).diag
        return Answer((), said.sqlstate, said.message_primary or "")
    if result.status == ExecStatus.TUPLES_OK:
        cells = [
            [result.get_value(row, column) for column in range(result.nfields)]
            for row in range(result.ntuples)
        ]
        return Answer(tuple(tuple(None if c is None else c.decode() for c in r) for r in cells))
    changed = result.command_tuples
    return Answer(() if changed is None else ((str(changed),),))


def settle(sessions: Collection[Stepped], observer: psycopg.Connection[Any]) -> None:
    """Return once each session has answered, stands at a breakpoint or waits for another one."""
    deadline = time.monotonic() + PATIENCE
    while running := [session for session in sessions if session.runs]:
        if not _arrived(running, GLANCE):
            blocked = _blocked(sessions, observer)
            for session in running:
                session.waits = session.pid in blocked
            if all(session.waits for session in running):
                return
        assert time.monotonic() < deadline, "a session neither waits nor ends"


def until_progress(sessions: Collection[Stepped]) -> None:
    """Wait for the first word of any of them: where all wait for each other, of the deadlock."""
    assert _arrived([session for session in sessions if session.runs], PATIENCE), "all wait"


def _arrived(running: Iterable[Stepped], seconds: float) -> bool:
    ready, _, _ = select.select(list(running), [], [], seconds)
    for session in ready:
        session.read()
    return bool(ready)


def _blocked(sessions: Collection[Stepped], observer: psycopg.Connection[Any]) -> set[int]:
    pids = [session.pid for session in sessions]
    asked = observer.execute(
        "select p from unnest(%s::integer[]) as p where pg_blocking_pids(p) && %s::integer[]",
        [pids, pids],
    )
    return {pid for (pid,) in asked}
