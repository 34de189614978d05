"""Set the history right by hand: what it says, never what the database is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from tillroll.migrate import history, journal
from tillroll.migrate.errors import UsageError
from tillroll.migrate.files import Content, Folder, MigrationFile, read_folder
from tillroll.migrate.history import Deadline
from tillroll.migrate.journal import Known
from tillroll.migrate.parser import meaning
from tillroll.migrate.status import read_status

__all__ = ["Repair", "RepairResult", "repair"]


@dataclass(frozen=True)
class Repair:
    """One change of the history.

    Attributes:
        action: `applied`, `reverted`, `accepted`; `moved` to the version that its file has now;
            `renamed`, as its file is.
        version: Of the history's row before.
        to: What it becomes: the version moved to, or the name.
    """

    action: Literal["applied", "reverted", "accepted", "moved", "renamed"]
    version: str
    to: str | None = None


@dataclass(frozen=True)
class RepairResult:
    """What was changed, or would be.

    Attributes:
        repairs: In the order in which they are made.
        dry_run: Whether nothing was.
    """

    repairs: tuple[Repair, ...]
    dry_run: bool


def repair(
    dsn: str,
    folder: Path,
    *,
    applied: Collection[str] = (),
    reverted: Collection[str] = (),
    accept_edit: Collection[str] = (),
    align: bool = False,
    dry_run: bool = False,
    wait: float = 60,
) -> RepairResult:
    """Change what the history says, all of it or nothing.

    Args:
        dsn: Of the database.
        folder: The migrations.
        applied: Versions to write down as applied, with their files' statements; not run.
        reverted: Versions to take out of the history; what they made stays. Takes away what is
            known of a file that is part-way, too.
        accept_edit: Applied versions whose files say something else now, and rightly so.
        align: Move rows to the version that a file of the same statements has now, and give them
            its name.
        dry_run: Change nothing.
        wait: Seconds to wait for others who work on the history.

    Raises:
        UsageError: A version has no file, is applied already, is not …, or there are several to
            align; nothing was changed.
        LockContention: Others worked on the history, or on one of the files, until the deadline.
        ConnectionFailed: The database cannot be reached or used.
    """
    found = read_folder(folder)
    files = {file.version: file for file in found.files}
    for version in (*applied, *accept_edit):
        if version not in files:
            raise UsageError(f"there is no file of version {version} in {folder}")
    touched = {*applied, *reverted, *accept_edit, *(files if align else ())}
    with history.connect(dsn) as conn, history.access():

        def do() -> tuple[Repair, ...]:
            journal.refuse_working(conn, touched)
            return (
                *_reverted(conn, sorted(set(reverted))),
                *(_aligned(conn, found) if align else ()),
                *_applied(conn, [files[version] for version in sorted(set(applied))]),
                *_accepted(conn, found, [files[version] for version in sorted(set(accept_edit))]),
            )

        return RepairResult(history.change(conn, Deadline(wait), do, dry_run=dry_run), dry_run)


def _reverted(conn: psycopg.Connection, versions: list[str]) -> list[Repair]:
    known = history.read(conn) | journal.unfinished(conn).keys()
    for version in versions:
        if version not in known:
            raise UsageError(f"version {version} is not in the history; nothing was changed")
        history.remove(conn, version)
        journal.forget(conn, version)
    return [Repair("reverted", version) for version in versions]


def _applied(conn: psycopg.Connection, files: list[MigrationFile]) -> list[Repair]:
    there = history.read(conn)
    for file in files:
        if file.version in there:
            raise UsageError(f"{file.path.name} is applied already; nothing was changed")
        content = file.read()
        history.see_recorded(history.record(conn, file.version, file.name, content.texts))
        journal.remember(conn, file, content, origin="repair", seconds=0)
        journal.forget(conn, file.version)
    return [Repair("applied", file.version) for file in files]


def _accepted(conn: psycopg.Connection, folder: Folder, files: list[MigrationFile]) -> list[Repair]:
    states = {file.version: file.state for file in read_status(conn, folder).files}
    for file in files:
        if states[file.version] not in {"edited", "cosmetic"}:
            raise UsageError(
                f"{file.path.name} is not edited but {states[file.version]}; nothing was changed"
            )
        journal.remember(conn, file, file.read(), origin="repair", seconds=0)
    return [Repair("accepted", file.version) for file in files]


def _aligned(conn: psycopg.Connection, folder: Folder) -> list[Repair]:
    """Find rows without a file that say what a file without a row says, and names that changed."""
    known = journal.read_known(conn)
    files = {file.version: file for file in folder.files}
    repairs = []
    for version, file in files.items():
        if version in known and known[version].name != file.name:
            history.rename(conn, version, version, file.name)
            repairs.append(Repair("renamed", version, file.name))
    homeless: dict[str | None, list[str]] = defaultdict(list)
    for version in sorted(known.keys() - files.keys()):
        homeless[_said(known[version])].append(version)
    candidates: dict[str, list[tuple[MigrationFile, Content]]] = defaultdict(list)
    for version in sorted(files.keys() - known.keys()) if homeless else ():
        content = files[version].read()
        candidates[content.meaning].append((files[version], content))
    candidates.pop(meaning(()), None)  # of nothing nobody can tell what it was
    for said, found in candidates.items():
        rows = homeless[said]
        if len(rows) * len(found) > 1:
            raise UsageError(
                f"of the same statements are the versions {', '.join(rows)} of the history, and "
                f"the files {', '.join(file.path.name for file, _ in found)}: which is which "
                "cannot be told; nothing was changed. Move each by hand: --reverted VERSION "
                "--applied VERSION"
            )
        if rows:
            ((file, content),) = found
            history.rename(conn, rows[0], file.version, file.name)
            journal.remember(conn, file, content, origin="repair", seconds=0)
            repairs.append(Repair("moved", rows[0], file.version))
    return repairs


def _said(known: Known) -> str | None:
    if known.meaning is not None or known.statements is None:
        return known.meaning
    return meaning(known.statements)
