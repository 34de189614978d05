"""Set the history right by hand: what it says, never what the database is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from tillroll.migrate import history, journal
from tillroll.migrate.apply import PASSING
from tillroll.migrate.errors import UsageError
from tillroll.migrate.files import Folder, MigrationFile, read_folder
from tillroll.migrate.history import Deadline
from tillroll.migrate.journal import Known
from tillroll.migrate.parser import meaning
from tillroll.migrate.status import read_status

__all__ = ["Repair", "RepairResult", "repair"]

_NOTHING = meaning(())


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
        UsageError: A version has no file, is applied already, is not …; nothing was changed.
        LockContention: Others worked on the history until the deadline.
        ConnectionFailed: The database cannot be reached or used.
    """
    found = read_folder(folder)
    files = {file.version: file for file in found.files}
    for version in (*applied, *accept_edit):
        if version not in files:
            raise UsageError(f"there is no file of version {version} in {folder}")
    with history.connect(dsn) as conn, history.access():
        deadline = Deadline(wait)
        while True:
            try:
                with conn.transaction(force_rollback=dry_run):
                    history.make(conn)
                    history.lock(conn)
                    repairs = [
                        *_reverted(conn, reverted),
                        *(_aligned(conn, found) if align else ()),
                        *_applied(conn, [files[version] for version in sorted(applied)]),
                        *_accepted(conn, found, [files[version] for version in accept_edit]),
                    ]
                return RepairResult(tuple(repairs), dry_run)
            except (*PASSING, *history.MADE_BY_ANOTHER) as error:
                deadline.wait(error, "the history is locked")


def _reverted(conn: psycopg.Connection, versions: Collection[str]) -> list[Repair]:
    known = history.read(conn) | journal.unfinished(conn).keys()
    for version in versions:
        if version not in known:
            raise UsageError(f"version {version} is not in the history; nothing was changed")
        history.remove(conn, version)
        journal.forget(conn, version)
    return [Repair("reverted", version) for version in sorted(versions)]


def _applied(conn: psycopg.Connection, files: Sequence[MigrationFile]) -> list[Repair]:
    there = history.read(conn)
    for file in files:
        if file.version in there:
            raise UsageError(f"{file.path.name} is applied already; nothing was changed")
        content = file.read()
        history.record(conn, file.version, file.name, content.texts)
        journal.remember(conn, file, content, origin="repair", seconds=0)
        journal.forget(conn, file.version)
    return [Repair("applied", file.version) for file in files]


def _accepted(
    conn: psycopg.Connection, folder: Folder, files: Sequence[MigrationFile]
) -> list[Repair]:
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
    homeless = {version: _said(each) for version, each in known.items() if version not in files}
    for version, file in files.items():
        if version in known:
            if known[version].name != file.name:
                history.rename(conn, version, version, file.name)
                repairs.append(Repair("renamed", version, file.name))
            continue
        content = file.read()
        twins = [old for old, said in homeless.items() if said == content.meaning != _NOTHING]
        if len(twins) == 1:
            del homeless[twins[0]]
            history.rename(conn, twins[0], version, file.name)
            journal.remember(conn, file, content, origin="repair", seconds=0)
            repairs.append(Repair("moved", twins[0], version))
    return repairs


def _said(known: Known) -> str | None:
    if known.meaning is not None or known.statements is None:
        return known.meaning
    return meaning(known.statements)
