"""What `up` would do now: statements, locks, sizes; and what binds `up` to just that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tillroll.migrate import history
from tillroll.migrate.errors import UsageError
from tillroll.migrate.files import Content, MigrationFile, read_folder
from tillroll.migrate.rehearsal.rehearse import rehearse
from tillroll.migrate.rehearsal.results import Rehearsal
from tillroll.migrate.rehearsal.sizes import sizes_of
from tillroll.migrate.status import Binding, bind, forward, read_status

__all__ = ["Plan", "PlannedFile", "PlannedStatement", "make_plan", "read_plan"]


@dataclass(frozen=True)
class PlannedStatement:
    """A statement that would be run.

    Attributes:
        number: In its file, from 1.
        line: Where it begins, from 1.
        text: As the history will store it.
    """

    number: int
    line: int
    text: str


@dataclass(frozen=True)
class PlannedFile:
    """A file that would be applied.

    Attributes:
        transactional: Whether as a whole or not at all; else statement by statement.
    """

    version: str
    name: str
    transactional: bool
    statements: tuple[PlannedStatement, ...]


@dataclass(frozen=True)
class Plan:
    """What would be done.

    Attributes:
        binding: What it is bound to: `up` refuses it where history or files are others by then.
        files: In the order in which they would be applied.
        rehearsal: The same files with locks, rewrites and scans, reckoned with the sizes of this
            database's tables; None where nothing was rehearsed.
    """

    binding: Binding
    files: tuple[PlannedFile, ...]
    rehearsal: Rehearsal | None


def make_plan(
    dsn: str,
    folder: Path,
    *,
    platform: Path | None,
    shadow_url: str | None = None,
    rehearsed: bool = True,
    wait: float = 60,
    progress: Callable[[str], None] | None = None,
) -> Plan:
    """Return what `up` would do now; changes nothing.

    Args:
        dsn: Of the database.
        folder: The migrations.
        platform: See `shadow`.
        shadow_url: See `shadow`.
        rehearsed: Whether to run the pending files on an empty copy, to see what they lock.
        wait: Seconds to wait for others who have locked the history.
        progress: Told what is done just now.

    Raises:
        UsageError: A pending file is not usable.
        HistoryDivergent: `up` would refuse this history.
        Unfinished: A file is part-way.
        GateFailed: A pending file does not apply to an empty copy.
        ConnectionFailed: The database cannot be reached, or there is no server for the copy.
    """
    found = read_folder(folder)
    with history.connect(dsn) as conn, history.reading(conn, wait):
        status = read_status(conn, found)
    todo = forward(found, status)
    contents = {file.version: file.read() for file in todo}
    rehearsal = None
    if todo and rehearsed:
        applied = frozenset(file.version for file in found.files if file not in todo)
        rehearsal = rehearse(
            folder,
            applied,
            platform=platform,
            shadow_url=shadow_url,
            sizes=sizes_of(dsn),
            progress=progress,
        )
    planned = tuple(_planned(file, contents[file.version]) for file in todo)
    return Plan(bind(status, contents), planned, rehearsal)


def _planned(file: MigrationFile, content: Content) -> PlannedFile:
    return PlannedFile(
        file.version,
        file.name,
        content.transactional,
        tuple(
            PlannedStatement(number, statement.line, statement.text)
            for number, statement in enumerate(content.statements, 1)
            if not statement.empty and number - 1 not in content.skipped
        ),
    )


def read_plan(path: Path) -> Binding:
    """Return what a written plan is bound to.

    Raises:
        UsageError: It cannot be read, or is no plan.
    """
    try:
        binding = json.loads(path.read_text(encoding="utf-8"))["binding"]
        files = tuple((str(version), str(sha256)) for version, sha256 in binding["files"])
        return Binding(str(binding["history"]), files)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no plan: write one with `plan --out {path}`") from error
