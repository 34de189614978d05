"""Apply a folder's migrations, each exactly once, each as a whole."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import errors as pg

from tillroll.migrate import history
from tillroll.migrate.errors import ConnectionFailed, HistoryDivergent, MigrationFailed
from tillroll.migrate.files import Folder, MigrationFile, read_folder
from tillroll.migrate.history import Deadline
from tillroll.migrate.parser import Statement, position

__all__ = ["AppliedFile", "FileStatus", "Runner", "Status", "UpResult"]

State = Literal["applied", "pending", "out_of_order"]
_DISCONNECTED = {"57P01", "57P02", "57P03", "25P03", "25P04"}
_PASSING = (pg.LockNotAvailable, pg.DeadlockDetected, pg.SerializationFailure)


@dataclass(frozen=True)
class FileStatus:
    """A file and where it stands; `out_of_order` is pending below the newest applied version."""

    version: str
    name: str
    state: State


@dataclass(frozen=True)
class Status:
    """A folder against a database.

    Attributes:
        files: By version.
        remote_only: Versions in the database's history that have no file.
        ignored: .sql files that are not named `<14 digits>_<name>.sql`.
    """

    files: tuple[FileStatus, ...]
    remote_only: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def pending(self) -> tuple[FileStatus, ...]:
        """Every file that is not applied, out of order or not."""
        return tuple(file for file in self.files if file.state != "applied")

    @property
    def out_of_order(self) -> tuple[FileStatus, ...]:
        """Files that are not applied while a later version is."""
        return tuple(file for file in self.files if file.state == "out_of_order")

    @property
    def divergent(self) -> bool:
        """Whether `up` would refuse."""
        return bool(self.remote_only or self.out_of_order)

    def as_dict(self) -> dict[str, object]:
        """The status as data, for `--json`."""
        return {**asdict(self), "divergent": self.divergent, "pending": len(self.pending)}


@dataclass(frozen=True)
class AppliedFile:
    """A file that this run applied.

    Attributes:
        statements: How many it has.
        seconds: From begin to commit.
    """

    version: str
    name: str
    statements: int
    seconds: float


@dataclass(frozen=True)
class UpResult:
    """What `up` did.

    Attributes:
        applied: In order; files that another runner applied meanwhile are not in it.
        ignored: .sql files that are not named `<14 digits>_<name>.sql`.
        superuser: Whether files were pending and the role is a superuser, which then owns what
            they made: its `security definer` functions are bound by no right.
    """

    applied: tuple[AppliedFile, ...]
    ignored: tuple[str, ...]
    superuser: bool = False


class Runner:
    """The migrations of a folder on one database.

    Args:
        dsn: A connection URL of the role that shall own the objects.
        folder: Holds `<14 digits>_<name>.sql`.
        wait: Seconds that one file may be retried while others hold locks.
        lock_timeout: Seconds that one statement may wait in the server before it gives way.
    """

    def __init__(
        self, dsn: str, folder: str | Path, *, wait: float = 60, lock_timeout: float = 3
    ) -> None:
        self._dsn = dsn
        self._folder = Path(folder)
        self._wait = wait
        self._lock_timeout = lock_timeout

    def status(self) -> Status:
        """Compare folder and history; changes nothing.

        Raises:
            UsageError: The folder is not usable.
            ConnectionFailed: The database cannot be reached.
        """
        folder = read_folder(self._folder)
        with history.connect(self._dsn) as conn, history.access():
            return _status(folder, history.read(conn))

    def up(self, on_file: Callable[[AppliedFile], None] | None = None) -> UpResult:
        """Apply what is pending, in order.

        Args:
            on_file: Told of each file once it is committed.

        Raises:
            UsageError: A pending file is not usable; nothing was applied.
            ConnectionFailed: The database cannot be reached, or was lost.
            HistoryDivergent: The history holds versions without a file, or newer ones than a
                pending file; nothing was applied.
            LockContention: Others held a lock for `wait` seconds; the file was not applied.
            MigrationFailed: A statement failed; its file was rolled back, those before it stay.
        """
        folder = read_folder(self._folder)
        superuser = False
        with history.connect(self._dsn) as conn:
            with history.access():
                pending = _forward(folder, history.read(conn))
            parsed = [(file, file.statements()) for file in pending]
            if parsed:
                with history.access():
                    superuser = _is_superuser(conn)
                    history.ensure(conn, Deadline(self._wait))
        applied = []
        for file, statements in parsed:
            done = self._apply(folder, file, statements)
            if done is not None:
                applied.append(done)
                if on_file is not None:
                    on_file(done)
        return UpResult(tuple(applied), folder.ignored, superuser)

    def _apply(
        self, folder: Folder, file: MigrationFile, statements: Sequence[Statement]
    ) -> AppliedFile | None:
        deadline = Deadline(self._wait)
        while True:
            begin = time.monotonic()
            committing = False
            try:
                with history.connect(self._dsn) as conn:
                    # A default of repeatable read would read the history as it was before the lock.
                    conn.execute("begin isolation level read committed read write")
                    if not self._open(conn, folder, file):
                        conn.execute("rollback")
                        return None
                    for number, statement in enumerate(statements, 1):
                        _run(conn, file, number, statement)
                    history.record(conn, file.version, file.name, [s.text for s in statements])
                    committing = True
                    conn.execute("commit")
            except _PASSING as error:
                deadline.wait(error, f"{file.path.name} met a lock")
                continue
            except psycopg.Error as error:
                if not _is_lost(error):
                    raise _failed(file, 0, None, error) from error
                if not (committing and self._is_applied(file)):
                    raise ConnectionFailed(
                        f"{file.path.name}: the connection was lost: {str(error).strip()}\n"
                        "Nothing of this file was applied. Run `up` again."
                    ) from error
            seconds = time.monotonic() - begin
            return AppliedFile(file.version, file.name, len(statements), seconds)

    def _open(self, conn: psycopg.Connection, folder: Folder, file: MigrationFile) -> bool:
        """Take the lock and read the history again; return whether the file is still to do."""
        milliseconds = str(round(self._lock_timeout * 1000))
        conn.execute("select pg_catalog.set_config('lock_timeout', %s, true)", (milliseconds,))
        with history.access():
            history.lock(conn)
        return file in _forward(folder, history.read(conn))

    def _is_applied(self, file: MigrationFile) -> bool:
        """Read what became of a commit without an answer.

        The lost transaction holds the lock as long as it lives: once we have it, the row is final.
        """
        end = time.monotonic() + self._wait
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


def _status(folder: Folder, versions: frozenset[str]) -> Status:
    newest = max(versions, default="")
    known = {file.version for file in folder.files}
    states: list[FileStatus] = []
    for file in folder.files:
        state: State = "pending"
        if file.version in versions:
            state = "applied"
        elif file.version < newest:
            state = "out_of_order"
        states.append(FileStatus(file.version, file.name, state))
    return Status(tuple(states), tuple(sorted(versions - known)), folder.ignored)


def _forward(folder: Folder, versions: frozenset[str]) -> list[MigrationFile]:
    """Return what is pending, or refuse a history that the folder does not continue."""
    status = _status(folder, versions)
    if status.remote_only:
        raise HistoryDivergent(
            f"applied in the database, but not in this folder: {', '.join(status.remote_only)}\n"
            "Nothing was applied. Get those files (another branch? `git pull`), or look at "
            "`tillroll migrate status`."
        )
    if status.out_of_order:
        late = ", ".join(f"{file.version}_{file.name}" for file in status.out_of_order)
        raise HistoryDivergent(
            f"older than the newest applied version ({max(versions)}): {late}\n"
            "Nothing was applied: files run in the order of their versions. If they were never "
            "applied anywhere, rename them to a later version."
        )
    return [file for file in folder.files if file.version not in versions]


def _is_superuser(conn: psycopg.Connection) -> bool:
    row = conn.execute(
        "select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user"
    ).fetchone()
    return bool(row and row[0])


def _run(conn: psycopg.Connection, file: MigrationFile, number: int, statement: Statement) -> None:
    if statement.empty:
        return
    try:
        conn.execute(statement.text)
    except psycopg.Error as error:
        if isinstance(error, _PASSING) or _is_lost(error):
            raise
        raise _failed(file, number, statement, error) from error


def _is_lost(error: psycopg.Error) -> bool:
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith("08") or error.sqlstate in _DISCONNECTED


def _failed(
    file: MigrationFile, number: int, statement: Statement | None, error: psycopg.Error
) -> MigrationFailed:
    line = column = 1
    if statement is not None:
        offset = int(error.diag.statement_position or statement.code + 1) - 1
        line, column = position(statement.text, offset)
        if line == 1:
            column += statement.column - 1
        line += statement.line - 1
    said = (
        error.diag.message_primary or str(error),
        error.diag.message_detail,
        error.diag.context,
    )
    return MigrationFailed(
        file.path.name,
        number if statement else None,
        line,
        column,
        error.sqlstate or "none",
        "\n".join(part for part in said if part),
    )
