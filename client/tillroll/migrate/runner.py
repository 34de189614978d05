"""Apply a folder's migrations, each exactly once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg

from tillroll.migrate import history, journal
from tillroll.migrate.apply import Limits, Moved, Session
from tillroll.migrate.errors import HistoryDivergent, MigrateError, UsageError
from tillroll.migrate.files import Content, Folder, MigrationFile, read_folder
from tillroll.migrate.history import Deadline, Mark
from tillroll.migrate.status import Binding, Status, bind, forward, read_status
from tillroll.migrate.stepwise import Stepwise
from tillroll.migrate.watch import OnProgress, Watch

__all__ = ["AppliedFile", "Runner", "UpResult"]

_ANOTHER_PLAN = (
    "history or files are not what they were when this was planned; nothing that was not planned "
    "was applied. Plan again."
)


class _Seen(NamedTuple):
    """The history's mark, the catalog's fingerprint where it could be taken, what is pending."""

    mark: Mark
    facts: str | None
    todo: tuple[tuple[MigrationFile, Content], ...]


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
    """What `up` or `resume` did.

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
        lock_timeout: Seconds that one statement may wait in the server before it gives way; who
            comes after it is held up for as long, at most.
        on_progress: Told of what begins, waits or takes its time, also from another thread.
    """

    def __init__(
        self,
        dsn: str,
        folder: str | Path,
        *,
        wait: float = 60,
        lock_timeout: float = 0.5,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._dsn = dsn
        self._folder = Path(folder)
        self._limits = Limits(wait, lock_timeout)
        self._on_progress = on_progress

    def status(self) -> Status:
        """Compare folder and history; changes nothing.

        Raises:
            UsageError: The folder is not usable.
            ConnectionFailed: The database cannot be reached.
        """
        folder = read_folder(self._folder)
        with history.connect(self._dsn) as conn, history.reading(conn, self._limits.wait):
            return read_status(conn, folder)

    def up(
        self,
        on_file: Callable[[AppliedFile], None] | None = None,
        *,
        out_of_order: Collection[str] = (),
        plan: Binding | None = None,
    ) -> UpResult:
        """Apply what is pending, in order.

        Args:
            on_file: Told of each file once it is committed.
            out_of_order: Versions that may be applied although a newer one is: `commute.prove`
                says for which that is safe.
            plan: Apply what was planned; where history or files are others now, nothing is done.

        Raises:
            UsageError: A pending file is not usable, or the role may not; nothing was applied.
            ConnectionFailed: The database cannot be reached or used, or was lost.
            HistoryDivergent: The history holds versions without a file, newer ones than a pending
                file, or a file that was edited since; or the plan is another. Nothing was applied.
            LockContention: Others held a lock for `wait` seconds; the file was not applied.
            MigrationFailed: A statement failed; its file was rolled back, those before it stay.
            PartWay: A statement of a file without a transaction failed; `resume` goes on there.
            Unfinished: An earlier run left such a file part-way.
        """
        folder = read_folder(self._folder)
        with history.connect(self._dsn) as conn:
            with history.reading(conn, self._limits.wait):
                status = read_status(conn, folder)
            todo = forward(folder, status, out_of_order)
            contents = {file.version: file.read() for file in todo}
            if plan is not None and bind(status, contents) != plan:
                raise HistoryDivergent(_ANOTHER_PLAN)
            if not todo:
                return UpResult((), folder.ignored)
            with history.access():
                superuser = _is_superuser(conn)
                history.ensure(conn, Deadline(self._limits.wait))
        look = partial(self._look, folder, out_of_order, contents, plan is not None)
        applied: list[AppliedFile] = []
        with self._sealed(applied), Watch(self._dsn, self._on_progress) as watch:
            for done in self._apply_all(look, watch):
                applied.append(done)
                if on_file is not None:
                    on_file(done)
        return UpResult(tuple(applied), folder.ignored, superuser)

    def resume(self, on_file: Callable[[AppliedFile], None] | None = None) -> UpResult:
        """Go on with the file that is part-way; what is pending beside it is left to `up`.

        An index that a failed or killed CREATE INDEX CONCURRENTLY has left is dropped first.

        Raises:
            UsageError: Its file is missing or not usable.
            HistoryDivergent: What has run of it was edited since.
            PartWay: A statement failed again.
            LockContention: Another runner is at work, or what it began still runs.
            ConnectionFailed: The database cannot be reached or used, or was lost.
        """
        folder = read_folder(self._folder)
        with history.connect(self._dsn) as conn:
            with history.reading(conn, self._limits.wait):
                begun = journal.unfinished(conn).keys() - history.read(conn)
            if not begun:
                return UpResult((), folder.ignored)
            with history.access():
                history.ensure(conn, Deadline(self._limits.wait))
        file = next((each for each in folder.files if each.version == min(begun)), None)
        if file is None:
            raise UsageError(
                f"version {min(begun)} is part-way, and there is no file of it in {self._folder}: "
                "get that file, or see `tillroll migrate repair --help`"
            )
        content = file.read()
        if content.transactional:
            raise HistoryDivergent(
                f"{file.path.name} is part-way as a file without a transaction, and now it says "
                "that it is one\n"
                "Nothing was applied. Restore it; or take away by hand what it has made, and "
                f"`tillroll migrate repair --reverted {file.version}`."
            )
        applied: list[AppliedFile] = []
        with self._sealed(applied), Watch(self._dsn, self._on_progress) as watch:
            watch.begin(file.path.name)
            with contextlib.suppress(Moved):
                seconds = Stepwise(self._dsn, self._limits, watch).apply(file, content, None)
                applied.append(_applied(file, content, seconds))
                if on_file is not None:
                    on_file(applied[-1])
        return UpResult(tuple(applied), folder.ignored)

    def _apply_all(self, look: Callable[[], _Seen], watch: Watch) -> Iterator[AppliedFile]:
        mark, facts, todo = look()
        with contextlib.closing(Session(self._dsn, self._limits, watch)) as session:
            while todo:
                file, content = todo[0]
                watch.begin(file.path.name)
                try:
                    if content.transactional:
                        seconds, mark = session.apply(file, content, mark, facts)
                        todo, facts = todo[1:], None
                        yield _applied(file, content, seconds)
                        continue
                    session.close()  # it may be long until it is needed again
                    stepwise = Stepwise(self._dsn, self._limits, watch)
                    seconds = stepwise.apply(file, content, mark, facts=facts)
                    yield _applied(file, content, seconds)
                except Moved:
                    pass
                mark, facts, todo = look()

    def _look(
        self,
        folder: Folder,
        out_of_order: Collection[str],
        contents: dict[str, Content],
        planned: bool,
    ) -> _Seen:
        """Return the history's mark, the catalog's fingerprint and, read after it, what is pending.

        In this order: what is applied by others after the mark is seen when the lock is taken.

        Args:
            contents: Read before; what others have taken out of the history since is added.
            planned: Whether nothing may be added.
        """
        facts = None
        with history.connect(self._dsn) as conn:
            with history.reading(conn, self._limits.wait):
                mark = history.mark(conn)
                todo = forward(folder, read_status(conn, folder), out_of_order)
            with contextlib.suppress(psycopg.Error):  # it is only of use, no duty
                facts = journal.look_at_catalog(conn)
        for file in todo:
            if file.version not in contents:
                if planned:
                    raise HistoryDivergent(_ANOTHER_PLAN)
                contents[file.version] = file.read()
        return _Seen(mark, facts, tuple((file, contents[file.version]) for file in todo))

    @contextlib.contextmanager
    def _sealed(self, applied: list[AppliedFile]) -> Iterator[None]:
        """Write down the catalog's fingerprint after the last file, however the run ends."""
        try:
            yield
        finally:
            if applied:
                with contextlib.suppress(MigrateError, psycopg.Error):
                    with history.connect(self._dsn) as conn:
                        journal.seal(conn, applied[-1].version)


def _applied(file: MigrationFile, content: Content, seconds: float) -> AppliedFile:
    return AppliedFile(file.version, file.name, len(content.statements), seconds)


def _is_superuser(conn: psycopg.Connection) -> bool:
    row = conn.execute(
        "select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = current_user"
    ).fetchone()
    return bool(row and row[0])
