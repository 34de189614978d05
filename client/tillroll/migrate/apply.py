"""One file in one transaction: all of it and its history row, or nothing."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import psycopg
from psycopg import errors as pg

from tillroll.migrate import history, journal
from tillroll.migrate.blockers import who_holds
from tillroll.migrate.errors import (
    Blocker,
    ConnectionFailed,
    MigrateError,
    MigrationFailed,
    UsageError,
)
from tillroll.migrate.files import Content, MigrationFile
from tillroll.migrate.history import PASSING, Deadline, Mark
from tillroll.migrate.parser import Statement
from tillroll.migrate.watch import Watch

__all__ = ["Limits", "Moved", "Session", "failed", "passes"]

_LONGEST = 86_400  # seconds
_AT_ONCE = 25  # statements whose answers may be on their way


class Moved(Exception):
    """The history is not what it was when the file was chosen: look again."""


@dataclass(frozen=True)
class Limits:
    """How long to wait.

    Attributes:
        wait: Seconds that one file may be retried while others hold locks.
        lock_timeout: Seconds that one statement may wait in the server before it gives way; this
            long, at most, can those be held up who come after it.

    Raises:
        UsageError: It would not wait at all in the server, or for ever.
    """

    wait: float = 60
    lock_timeout: float = 0.5

    def __post_init__(self) -> None:
        Deadline(self.wait)
        if not 0.001 <= self.lock_timeout <= _LONGEST:
            raise UsageError(
                f"a lock timeout of {self.lock_timeout} s: give 0.001 to {_LONGEST} seconds"
            )


class Session:
    """A connection that applies one file after the other; made anew where it was lost.

    Args:
        dsn: Of the database.
        limits: How long to wait.
        watch: Looks at it meanwhile.
    """

    def __init__(self, dsn: str, limits: Limits, watch: Watch) -> None:
        self._dsn = dsn
        self._limits = limits
        self._watch = watch
        self._conn: psycopg.Connection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def apply(
        self, file: MigrationFile, content: Content, before: Mark, facts: str | None
    ) -> tuple[float, Mark]:
        """Apply a file; return the seconds from begin to commit, and the history's mark after it.

        Args:
            before: The history's mark when the file was chosen.
            facts: Fingerprint of the catalog before it, where it was taken.

        Raises:
            Moved: The history holds something else now; nothing was applied.
            LockContention: Others held a lock until the deadline; nothing was applied.
            MigrationFailed: A statement failed; nothing was applied.
            ConnectionFailed: The connection was lost; the message says what is known.
        """
        deadline = Deadline(self._limits.wait)
        while True:
            began = time.monotonic()
            run = _Run(self._connected(), file, content)
            try:
                pid, after = run.open(self._limits.lock_timeout, before)
                with self._watch.on(pid):
                    run.run(facts)
            except psycopg.Error as error:
                if passes(error):
                    self._roll_back()
                    deadline.wait(error, f"{file.path.name} met a lock", self._in_the_way)
                    continue
                self.close()
                if not history.is_lost(error):
                    raise run.explain(error) from error
                if not (run.committing and self._is_applied(file)):
                    raise ConnectionFailed(
                        f"{file.path.name}: the connection was lost: {str(error).strip()}\n"
                        "Nothing of this file was applied. Run `up` again."
                    ) from error
            except BaseException:
                self.close()
                raise
            return time.monotonic() - began, after

    def _connected(self) -> psycopg.Connection:
        if self._conn is None or self._conn.closed:
            self._conn = history.connect(self._dsn)
        return self._conn

    def _roll_back(self) -> None:
        try:
            self._connected().execute("rollback")
        except psycopg.Error:
            self.close()

    def _in_the_way(self) -> tuple[Blocker, ...]:
        """Return who was seen blocking the file, or else who works on the history."""
        return self._watch.blockers or who_holds(self._connected(), history.TABLE)

    def _is_applied(self, file: MigrationFile) -> bool:
        """Read what became of a commit without an answer.

        The lost transaction holds the lock as long as it lives: once we have it, the row is final.
        """
        end = time.monotonic() + self._limits.wait
        while True:
            try:
                with history.connect(self._dsn) as conn:
                    conn.execute("begin")
                    history.lock(conn)
                    return file.version in history.read(conn)
            except (ConnectionFailed, psycopg.OperationalError) as error:
                if time.monotonic() >= end:
                    raise ConnectionFailed(
                        f"{file.path.name}: no answer to COMMIT, and none since: {error}\n"
                        "Whether this file was applied is not known: see "
                        "`tillroll migrate status`, then run `up` again."
                    ) from error
                time.sleep(0.2 * random.uniform(0.5, 1.5))


class _Run:
    """One try at one file."""

    def __init__(self, conn: psycopg.Connection, file: MigrationFile, content: Content) -> None:
        self._conn = conn
        self._file = file
        self._content = content
        self._sent: list[tuple[int, psycopg.Cursor]] = []
        self.committing = False

    def open(self, lock_timeout: float, before: Mark) -> tuple[int, Mark]:
        """Take the lock, see that nothing was applied meanwhile; return our pid and the mark after.

        Raises:
            Moved: Something was.
        """
        conn = self._conn
        with history.access(), conn.pipeline():
            # A default of repeatable read would read the history as it was before the lock.
            conn.execute("begin isolation level read committed")
            conn.execute(
                "select pg_catalog.set_config('lock_timeout', %s, true), "
                "pg_catalog.set_config('statement_timeout', '0', true)",
                (history.milliseconds(lock_timeout),),
            )
            history.lock(conn)
            found = conn.execute(
                "select pg_catalog.pg_backend_pid(), pg_catalog.hashtextextended(%s, 0), "
                f"m.size, m.total from ({history.MARK}) as m",
                (self._file.version,),
            )
            row = found.fetchone()
        assert row is not None
        pid, own, *now = row
        if Mark(*now) != before:
            conn.execute("rollback")
            raise Moved
        return pid, Mark(before.size + 1, before.total + own)

    def run(self, facts: str | None) -> None:
        """Send everything at once: what fails ends all that comes after it. Then commit.

        The commit waits for the answers: a runner that is killed before leaves nothing.
        """
        conn, file, content = self._conn, self._file, self._content
        with conn.pipeline() as pipeline:
            for index, statement in enumerate(content.statements):
                if not statement.empty and index not in content.skipped:
                    cursor = conn.cursor()
                    self._sent.append((index, cursor))
                    cursor.execute(statement.text)
                    if len(self._sent) == _AT_ONCE:  # what they return is of no use: let it go
                        pipeline.sync()
                        self._sent.clear()
            # Here it may still wait no longer than lock_timeout; at COMMIT it could.
            conn.execute("set constraints all immediate")
            history.clean(conn)
            recorded = history.record(conn, file.version, file.name, content.texts)
            journal.remember(conn, file, content, origin="up", facts_before=facts)
        history.see_recorded(recorded)
        self.committing = True
        conn.execute("commit")

    def explain(self, error: psycopg.Error) -> MigrateError:
        """Return what failed, with its place: the first statement without an answer, or the end."""
        if isinstance(error, pg.ReadOnlySqlTransaction):
            return history.closed(error)
        for index, cursor in self._sent:
            if cursor.pgresult is None:
                return failed(self._file, index + 1, self._content.statements[index], error)
        if isinstance(error, pg.InsufficientPrivilege):
            return history.closed(error)
        return failed(self._file, 0, None, error)


def passes(error: psycopg.Error) -> bool:
    """Whether a lock or a conflict ended a statement, and not a RAISE of the file's own."""
    return isinstance(error, PASSING) and error.diag.source_function != "exec_stmt_raise"


def failed(
    file: MigrationFile,
    number: int,
    statement: Statement | None,
    error: psycopg.Error,
    kind: type[MigrationFailed] = MigrationFailed,
) -> MigrationFailed:
    """Return the error of a statement, with its place in the file; None: of the commit."""
    line = column = None
    if statement is not None:
        offset = int(error.diag.statement_position or statement.code + 1) - 1
        line, column = statement.place(offset)
    said = (
        error.diag.message_primary or str(error),
        error.diag.message_detail,
        error.diag.context,
    )
    return kind(
        file.path.name,
        number if statement else None,
        line,
        column,
        error.sqlstate or "none",
        "\n".join(part for part in said if part),
    )
