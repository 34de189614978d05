"""Take over a database that others have made: prove that the files make it, then say so."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import psycopg

from tillroll.migrate import history, hosted, journal
from tillroll.migrate.apply import PASSING
from tillroll.migrate.drift import Drifted, compare_live
from tillroll.migrate.dump import dump
from tillroll.migrate.errors import HistoryDivergent, UsageError
from tillroll.migrate.facts import extract
from tillroll.migrate.files import MigrationFile, draft_path, read_folder
from tillroll.migrate.history import Deadline
from tillroll.migrate.status import Status, read_status

__all__ = ["Adoption", "adopt"]


@dataclass(frozen=True)
class Adoption:
    """What was taken over, or would be.

    Attributes:
        known: Versions that the history has, of which we wrote down what their files say.
        marked: Versions that were written into it as applied; not run.
        baseline: The file that was written, None where there is none.
        drift: In what the database is not what these files make; where it says more than comments
            and layout of bodies, nothing was written.
        dry_run: Whether nothing was written in any case.
    """

    known: tuple[str, ...]
    marked: tuple[str, ...]
    baseline: str | None
    drift: tuple[Drifted, ...]
    dry_run: bool

    @property
    def proven(self) -> bool:
        """Whether the files make the database."""
        return all(each.cosmetic for each in self.drift)


def adopt(
    dsn: str,
    folder: Path,
    *,
    platform: Path | None,
    shadow_url: str | None = None,
    through: str | None = None,
    baseline: str | None = None,
    dry_run: bool = False,
    wait: float = 60,
    now: datetime | None = None,
) -> Adoption:
    """Prove that files make what a database is, and write down that they are applied there.

    Args:
        dsn: Of the database.
        folder: The migrations.
        platform: See `shadow`.
        shadow_url: See `shadow`.
        through: Take every file up to this version as applied, although the history does not say
            so; else those that it names.
        baseline: For a database without a history and a folder without migrations: write the first
            one, of this name, from what the database holds.
        dry_run: Only prove.
        wait: Seconds to wait for others who work on the history.
        now: In UTC, for the version of the baseline.

    Raises:
        UsageError: There is no such file, or nothing to adopt.
        HistoryDivergent: The history has versions without a file, or a file was edited since.
        GateFailed: The files do not apply to an empty database.
        ConnectionFailed: The database cannot be reached, or there is no server for the proof.
        LockContention: Others worked on the history until the deadline.
    """
    found = read_folder(folder) if baseline is None or folder.is_dir() else None
    with history.connect(dsn) as conn, history.reading(conn, wait):
        if baseline is not None:
            if (found and found.files) or history.read(conn):
                raise UsageError(
                    "a baseline is for a database without a history and a folder without "
                    "migrations: use `adopt`, or `adopt --through VERSION`"
                )
        elif found:
            status = read_status(conn, found)
    if baseline is not None:
        return _baseline(dsn, folder, baseline, platform, shadow_url, dry_run, wait, now)
    assert found is not None
    _refuse(status)
    known = {file.version for file in status.in_state("applied", "cosmetic")}
    if through is not None and through not in {file.version for file in found.files}:
        raise UsageError(f"there is no migration {through} in {folder}")
    files = [
        file for file in found.files if file.version in known or file.version <= (through or "")
    ]
    if not files:
        raise UsageError(
            "nothing is applied here by the history: say up to which version with --through, or "
            "begin with --baseline NAME"
        )
    drift = compare_live(dsn, files, platform, shadow_url)
    adoption = Adoption(
        tuple(file.version for file in files if file.version in known),
        tuple(file.version for file in files if file.version not in known),
        None,
        drift,
        dry_run,
    )
    if adoption.proven and not dry_run:
        _write(dsn, files, wait)
    return adoption


def _baseline(
    dsn: str,
    folder: Path,
    name: str,
    platform: Path | None,
    shadow_url: str | None,
    dry_run: bool,
    wait: float,
    now: datetime | None,
) -> Adoption:
    path = draft_path(folder, name, now)
    version = path.name.partition("_")[0]
    with history.connect(dsn) as conn:
        text = dump(dsn, hosted.platform_schemas(extract(conn)))
    with tempfile.TemporaryDirectory() as scratch:
        draft = MigrationFile(version, name, Path(scratch) / path.name)
        draft.path.write_text(text, encoding="utf-8", newline="\n")
        drift = compare_live(dsn, [draft], platform, shadow_url)
    adoption = Adoption((), (version,), str(path), drift, dry_run)
    if not adoption.proven:
        return replace(adoption, baseline=None, marked=())
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        _write(dsn, [MigrationFile(version, name, path)], wait)
    return adoption


def _refuse(status: Status) -> None:
    if status.remote_only:
        raise HistoryDivergent(
            f"applied in the database, but not in this folder: {', '.join(status.remote_only)}\n"
            "Nothing was written. Get those files, or see `tillroll migrate repair --help`."
        )
    if edited := status.in_state("edited"):
        names = ", ".join(f"{file.version}_{file.name}" for file in edited)
        raise HistoryDivergent(
            f"edited after they were applied: {names}\n"
            "Nothing was written. Restore them; where the database already is what they say now: "
            "`tillroll migrate repair --accept-edit VERSION`."
        )


def _write(dsn: str, files: list[MigrationFile], wait: float) -> None:
    """Write history and our own table, all of it or nothing."""
    deadline = Deadline(wait)
    with history.connect(dsn) as conn, history.access():
        while True:
            try:
                with conn.transaction():
                    history.make(conn)
                    history.lock(conn)
                    _take_over(conn, files)
                return
            except (*PASSING, *history.MADE_BY_ANOTHER) as error:
                deadline.wait(error, "the history is locked")


def _take_over(conn: psycopg.Connection, files: list[MigrationFile]) -> None:
    there = journal.read_known(conn)
    for file in files:
        content = file.read()
        if file.version not in there:
            history.record(conn, file.version, file.name, content.texts)
        elif there[file.version].sha256 is not None:
            continue  # ours already
        journal.remember(conn, file, content, origin="adopt", seconds=0)
    journal.seal(conn, files[-1].version)
