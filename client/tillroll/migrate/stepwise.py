"""One file without a transaction: statement by statement, with a journal to go on from.

A statement that can run in a transaction shares one with its line in the journal, so it happens
once. The others (CREATE INDEX CONCURRENTLY …) are written down before they begin and after they
have ended; in between, `resume` looks at what is there. DO and CALL that commit as they go are run
again from their beginning.
"""

from __future__ import annotations

import time

import psycopg
from psycopg import errors as pg

from tillroll.migrate import history, journal
from tillroll.migrate.apply import PASSING, Limits, Moved, failed
from tillroll.migrate.errors import ConnectionFailed, HistoryDivergent, PartWay, Unfinished
from tillroll.migrate.files import Content, MigrationFile
from tillroll.migrate.history import Deadline
from tillroll.migrate.journal import Lease, Step
from tillroll.migrate.leftovers import find_index, mend
from tillroll.migrate.parser import Statement, meaning
from tillroll.migrate.watch import Watch

__all__ = ["Stepwise"]


class Stepwise:
    """Applies files without a transaction.

    Args:
        dsn: Of the database; a session of one's own, no transaction pooler.
        limits: How long to wait.
        watch: Looks at it meanwhile.
    """

    def __init__(self, dsn: str, limits: Limits, watch: Watch) -> None:
        self._dsn = dsn
        self._limits = limits
        self._watch = watch

    def apply(
        self,
        file: MigrationFile,
        content: Content,
        *,
        resume: bool = False,
        facts: str | None = None,
    ) -> float:
        """Apply a file; return the seconds that it took.

        Args:
            resume: Go on with what an earlier run began; else a begun file is refused.
            facts: Fingerprint of the catalog before it, where it was taken.

        Raises:
            Moved: Another runner has applied it meanwhile.
            PartWay: A statement failed; those before it stay.
            Unfinished: The file was begun before, or the connection was lost in the middle.
            HistoryDivergent: What has run already was edited since.
            LockContention: Another runner is at work, or what it began still runs, to the deadline.
            ConnectionFailed: There is no session to be had: a transaction pooler.
        """
        began = time.monotonic()
        with history.connect(self._dsn) as conn:
            _refuse_pooler(self._dsn, conn)
            # Nobody queues behind these but other changes of the schema, so they may take long.
            conn.execute("set statement_timeout = 0; set lock_timeout = 0")
            deadline = Deadline(self._limits.wait)
            with history.access(), Lease(self._dsn).held(conn, file.version, deadline) as lease:
                if file.version in history.read(conn):
                    raise Moved
                steps = journal.read_steps(conn, file.version)
                if steps and not resume:
                    raise Unfinished(file.version, file.path.name)
                _compare(file, content, steps)
                self._await_end(conn, file, deadline)
                work = _Work(conn, file, content, lease, self._limits, steps)
                try:
                    with self._watch.on(_pid(conn)):
                        work.run()
                        work.finish(time.monotonic() - began, facts)
                except psycopg.Error as error:
                    if not history.is_lost(error):
                        raise
                    raise Unfinished(
                        file.version, file.path.name, f"the connection was lost: {error}"
                    ) from error
        return time.monotonic() - began

    def _await_end(self, conn: psycopg.Connection, file: MigrationFile, deadline: Deadline) -> None:
        """Wait for what a killed runner's session still runs."""
        while busy := [
            step.pid
            for step in journal.read_steps(conn, file.version).values()
            if not step.done and step.alive
        ]:
            deadline.wait(
                f"pid {busy[0]} (to end it: select pg_terminate_backend({busy[0]}))",
                f"{file.path.name}: a statement of an earlier run still runs",
            )


class _Work:
    """One run through a file, with its lease held."""

    def __init__(
        self,
        conn: psycopg.Connection,
        file: MigrationFile,
        content: Content,
        lease: Lease,
        limits: Limits,
        steps: dict[int, Step],
    ) -> None:
        self._conn = conn
        self._file = file
        self._content = content
        self._lease = lease
        self._limits = limits
        self._steps = steps

    def run(self) -> None:
        """Run what is not done yet."""
        for number, statement in enumerate(self._content.statements, 1):
            if statement.empty:
                continue
            step = self._steps.get(number)
            if self._lease.lost:
                raise Unfinished(
                    self._file.version, self._file.path.name, "another runner took it over"
                )
            try:
                if step is not None and step.done:
                    if statement.sets_session:  # a new session has not heard of it
                        self._conn.execute(statement.text)
                elif statement.alone is None:
                    self._together(number, statement)
                elif step is None or not mend(self._conn, statement, step.found):
                    self._by_itself(number, statement, step)
                else:
                    self._write(number, statement, done=True)
            except psycopg.Error as error:
                if history.is_lost(error):
                    raise
                raise failed(self._file, number, statement, error, PartWay) from error

    def finish(self, seconds: float, facts: str | None) -> None:
        """Write the history, and drop the journal."""
        deadline = Deadline(self._limits.wait)
        while True:
            try:
                with self._conn.transaction():
                    history.lock(self._conn)
                    history.record(
                        self._conn, self._file.version, self._file.name, self._content.texts
                    )
                    journal.remember(
                        self._conn,
                        self._file,
                        self._content,
                        origin="up",
                        seconds=seconds,
                        facts_before=facts,
                    )
                    journal.forget(self._conn, self._file.version)
                return
            except PASSING as error:
                deadline.wait(error, f"{self._file.path.name}: the history is locked")

    def _together(self, number: int, statement: Statement) -> None:
        """Run a statement and write it down, in one transaction."""
        deadline = Deadline(self._limits.wait)
        milliseconds = str(round(self._limits.lock_timeout * 1000))
        while True:
            try:
                with self._conn.transaction():
                    self._conn.execute(
                        "select pg_catalog.set_config('lock_timeout', %s, true)", (milliseconds,)
                    )
                    self._conn.execute(statement.text)
                    self._write(number, statement, done=True)
                return
            except pg.InvalidTransactionTermination:  # DO or CALL that commits as it goes
                self._by_itself(number, statement, self._steps.get(number))
                return
            except PASSING as error:
                deadline.wait(error, f"{self._file.path.name}: statement {number} met a lock")

    def _by_itself(self, number: int, statement: Statement, step: Step | None) -> None:
        found = find_index(self._conn, statement) if step is None else step.found
        self._write(number, statement, done=False, found=found)
        self._conn.execute(statement.text)
        self._write(number, statement, done=True)

    def _write(
        self, number: int, statement: Statement, *, done: bool, found: int | None = None
    ) -> None:
        journal.write_step(
            self._conn,
            self._file.version,
            number,
            meaning([statement.text]),
            done=done,
            found=found,
        )


def _compare(file: MigrationFile, content: Content, steps: dict[int, Step]) -> None:
    """Refuse a file in which something that has run says something else now."""
    for number, step in sorted(steps.items()):
        text = content.statements[number - 1].text if number <= len(content.statements) else ""
        if step.done and meaning([text]) != step.meaning:
            raise HistoryDivergent(
                f"{file.path.name}: statement {number} has run and was edited since\n"
                "Nothing was applied. Restore it: what has run cannot be changed, only what "
                "follows."
            )


def _refuse_pooler(dsn: str, conn: psycopg.Connection) -> None:
    """Refuse a session that changes its server process from one transaction to the next.

    A pooler tells its clients a process number of its own. In transaction mode a second client is
    given the process that the first one has just used, or the first one gets another then.
    """
    own = _pid(conn)
    if own == conn.info.backend_pid:
        return
    with history.connect(dsn) as other, other.transaction():
        if _pid(other) != own and _pid(conn) == own:
            return
    raise ConnectionFailed(
        "this is a transaction pooler, and a file without a transaction needs a session of its "
        "own: use the direct connection or a session pooler"
    )


def _pid(conn: psycopg.Connection) -> int:
    row = conn.execute("select pg_catalog.pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])
