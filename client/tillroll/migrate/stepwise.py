"""One file without a transaction: statement by statement, with a journal to go on from.

A statement that can run in a transaction shares one with its line in the journal and with a look
at the lease, so it happens once. The others (CREATE INDEX CONCURRENTLY …) are written down before
they begin and after they have ended; in between, `resume` waits until the session that ran them is
gone, and looks at what is there. DO and CALL that commit as they go are run again from their
beginning.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import psycopg
from psycopg import errors as pg

from tillroll.migrate import history, journal
from tillroll.migrate.apply import Limits, Moved, failed, passes
from tillroll.migrate.blockers import who_holds
from tillroll.migrate.errors import (
    Blocker,
    ConnectionFailed,
    HistoryDivergent,
    LockContention,
    MigrationFailed,
    PartWay,
    Unfinished,
    UsageError,
)
from tillroll.migrate.files import Content, MigrationFile
from tillroll.migrate.history import PASSING, Deadline, Mark
from tillroll.migrate.journal import Lease, Lost, Step
from tillroll.migrate.leftovers import index_state, is_ahead, mend
from tillroll.migrate.parser import Statement, meaning
from tillroll.migrate.watch import Watch

__all__ = ["NEEDS_NONE", "Stepwise"]

# What a statement says that commits as it goes (DO, CALL) or that no transaction can hold.
NEEDS_NONE = (pg.InvalidTransactionTermination, pg.ActiveSqlTransaction)


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
        before: Mark | None,
        *,
        facts: str | None = None,
    ) -> float:
        """Apply a file; return the seconds that it took.

        Args:
            before: The history's mark when the file was chosen; None: go on with what an earlier
                run began, which is refused else.
            facts: Fingerprint of the catalog before it, where it was taken.

        Raises:
            Moved: The history holds something else now; nothing was applied.
            MigrationFailed: The first statement failed; nothing was applied.
            PartWay: Another statement failed; those before it stay.
            Unfinished: The file was begun before; or the connection or the lease was lost in the
                middle, or a lock met.
            HistoryDivergent: What has run already was edited since, or another tool has applied the
                file meanwhile.
            LockContention: Another runner is at work, or what it began still runs, to the deadline;
                or the first statement met a lock.
            ConnectionFailed: There is no session to be had: a transaction pooler.
        """
        began = time.monotonic()
        with history.connect(self._dsn) as conn:
            _refuse_pooler(self._dsn, conn)
            # Nobody queues behind these but other changes of the schema, so they may take long.
            conn.execute("set statement_timeout = 0; set lock_timeout = 0")
            deadline = Deadline(self._limits.wait)
            with history.access(), Lease(self._dsn).held(conn, file.version, deadline) as lease:
                _refuse_moved(conn, file, before)
                steps = journal.read_steps(conn, file.version)
                if steps and before is not None:
                    raise Unfinished(file.version, file.path.name)
                _compare(file, content, steps)
                self._await_end(conn, file, deadline)
                work = _Work(conn, file, content, lease, self._limits, steps, self._watch)
                try:
                    with self._watch.on(_pid(conn)):
                        work.run()
                        work.finish(time.monotonic() - began, facts)
                except Lost:
                    raise work.unfinished("another runner has taken it over") from None
                except LockContention as error:
                    if not work.begun:
                        raise
                    raise work.unfinished(error.what, error.blockers) from error
                except psycopg.Error as error:
                    if not history.is_lost(error):
                        raise
                    raise work.unfinished(f"the connection was lost: {error}") from error
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
                advice="Run `tillroll migrate resume` when it has ended, or wait longer with "
                "--wait.",
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
        watch: Watch,
    ) -> None:
        self._conn = conn
        self._file = file
        self._content = content
        self._lease = lease
        self._limits = limits
        self._steps = steps
        self._watch = watch
        self.begun = bool(steps)

    def unfinished(self, why: str, blockers: Sequence[Blocker] = ()) -> Unfinished:
        """Return that the file is part-way, and why."""
        return Unfinished(self._file.version, self._file.path.name, why, blockers)

    def run(self) -> None:
        """Run what is not done yet, in a session that is as the last statement left its own."""
        done = [number for number, step in self._steps.items() if step.done]
        for number, statement in enumerate(self._content.statements, 1):
            if statement.empty:
                continue
            try:
                if number not in done:
                    self._run(number, statement)
                elif statement.sets_session and _is_unseen(statement):
                    self._conn.execute(statement.text)
                if done and number == max(done):
                    journal.restore(self._conn, self._steps[number].settings)
            except psycopg.Error as error:
                if history.is_lost(error):
                    raise
                kind = PartWay if self.begun else MigrationFailed
                raise failed(self._file, number, statement, error, kind) from error

    def finish(self, seconds: float, facts: str | None) -> None:
        """Write the history, and drop the journal."""
        deadline = Deadline(self._limits.wait)
        conn, file = self._conn, self._file
        while True:
            try:
                with conn.transaction():
                    self._lease.keep(conn)
                    history.lock(conn)
                    taken = file.version in history.read(conn)
                    if not taken:
                        recorded = history.record(
                            conn, file.version, file.name, self._content.texts
                        )
                        history.see_recorded(recorded)
                        journal.remember(
                            conn,
                            file,
                            self._content,
                            origin="up",
                            seconds=seconds,
                            facts_before=facts,
                        )
                    journal.forget(conn, file.version)
            except (UsageError, psycopg.Error) as error:
                if isinstance(error, psycopg.Error) and history.is_lost(error):
                    raise
                if not isinstance(error, PASSING):
                    raise self.unfinished(str(error).strip()) from error
                deadline.wait(
                    error,
                    f"{file.path.name}: the history is locked",
                    lambda: who_holds(conn, history.TABLE),
                )
                continue
            if taken:
                raise HistoryDivergent(
                    f"{file.path.name}: another tool, which knows no lease, has applied it at the "
                    "same time: its statements ran twice. See what they made."
                )
            return

    def _run(self, number: int, statement: Statement) -> None:
        if statement.alone is not None:
            self._by_itself(number, statement)
            return
        deadline = Deadline(self._limits.wait)
        while True:
            try:
                with self._conn.transaction():
                    self._conn.execute(
                        "select pg_catalog.set_config('lock_timeout', %s, true)",
                        (history.milliseconds(self._limits.lock_timeout),),
                    )
                    self._conn.execute(statement.text)
                    # As the role that the file has set, which our line of the journal has not.
                    self._conn.execute("set constraints all immediate")
                    self._write(number, statement, done=True)
                self.begun = True
                return
            except NEEDS_NONE:
                self._by_itself(number, statement)
                return
            except psycopg.Error as error:
                if not passes(error):
                    raise
                what = f"{self._file.path.name}: statement {number} met a lock"
                deadline.wait(error, what, lambda: self._watch.blockers)

    def _by_itself(self, number: int, statement: Statement) -> None:
        """Run a statement in no transaction, or find that it has come to its end before."""
        conn, step = self._conn, self._steps.get(number)
        begun = step is not None and (
            # An invalid index is what it left before it was edited; a valid one is another's.
            step.meaning == meaning([statement.text]) or index_state(conn, statement) is False
        )
        ahead = not begun and is_ahead(conn, statement)
        if not ahead:  # else it is not of this statement's making, whatever comes of that
            self._write(number, statement, done=False)
            self.begun = True
        if not (begun and mend(conn, statement)):
            try:
                conn.execute(statement.text)
            except psycopg.Error as error:
                if not (ahead or history.is_lost(error)):
                    self._lease.write_ended(conn, self._file.version, number)
                raise
        if ahead and index_state(conn, statement) is False:
            raise self._invalid(number, statement)
        self._write(number, statement, done=True)
        self.begun = True

    def _invalid(self, number: int, statement: Statement) -> MigrationFailed:
        return (PartWay if self.begun else MigrationFailed)(
            self._file.path.name,
            number,
            statement.line,
            statement.column,
            "none",
            "an index of that name is there and not valid: drop it",
        )

    def _write(self, number: int, statement: Statement, *, done: bool) -> None:
        self._lease.write_step(
            self._conn, self._file.version, number, meaning([statement.text]), done=done
        )


def _is_unseen(statement: Statement) -> bool:
    """Whether what it sets is not among a step's `settings`: one of the project's own, or ours."""
    name = statement.node.name
    return "." in name or name in {"lock_timeout", "seed"}


def _refuse_moved(conn: psycopg.Connection, file: MigrationFile, before: Mark | None) -> None:
    if file.version in history.read(conn) or before not in {None, history.mark(conn)}:
        raise Moved


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
