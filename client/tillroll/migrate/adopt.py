"""Take over a database that others have made: prove that the files make it, then say so."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import psycopg

from tillroll.migrate import history, journal
from tillroll.migrate.drift import Drifted, compare_live, migrator
from tillroll.migrate.dump import dump
from tillroll.migrate.errors import Unfinished, UsageError
from tillroll.migrate.facts import extract
from tillroll.migrate.files import Content, MigrationFile, draft_path, read_folder
from tillroll.migrate.history import Deadline
from tillroll.migrate.hosted import platform_schemas
from tillroll.migrate.status import read_status, refuse_divergent

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
        Unfinished: A file up to `through` is part-way.
        GateFailed: The files do not apply to an empty database.
        ConnectionFailed: The database cannot be reached, or there is no server for the proof.
        LockContention: Others worked on the history until the deadline.
    """
    if baseline is not None:
        return _baseline(dsn, folder, baseline, platform, shadow_url, dry_run, wait, now)
    found = read_folder(folder)
    if through is not None and through not in {file.version for file in found.files}:
        raise UsageError(f"there is no migration {through} in {folder}")
    with history.connect(dsn) as conn, history.reading(conn, wait):
        status = read_status(conn, found)
    refuse_divergent(status, "Nothing was written.")
    upto = through or ""
    for begun in status.in_state("part_way", "running"):
        if begun.version <= upto:
            raise Unfinished(begun.version, f"{begun.version}_{begun.name}.sql")
    known = {file.version for file in status.in_state("applied", "cosmetic")}
    files = [
        _Proven(file.version, file.name, file.path, file.read())
        for file in found.files
        if file.version in known or file.version <= upto
    ]
    if not files:
        raise UsageError(
            "nothing is applied here by the history: say up to which version with --through, or "
            "begin with --baseline NAME"
        )
    adoption = Adoption(
        tuple(file.version for file in files if file.version in known),
        tuple(file.version for file in files if file.version not in known),
        None,
        compare_live(dsn, files, platform, shadow_url),
        dry_run,
    )
    if adoption.proven and not dry_run:
        with history.connect(dsn) as conn, history.access():
            history.change(conn, Deadline(wait), lambda: _take_over(conn, files))
    return adoption


@dataclass(frozen=True)
class _Proven(MigrationFile):
    """A file that says what it said at first: what is proven is what is written down."""

    content: Content

    def read(self) -> Content:
        return self.content


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
    with history.connect(dsn) as conn, history.reading(conn, wait):
        _refuse_begun(conn, folder)
        text = dump(conn, platform_schemas(extract(conn)), migrator(conn))
    with tempfile.TemporaryDirectory() as scratch:
        draft = MigrationFile(version, name, Path(scratch) / path.name)
        draft.path.write_text(text, encoding="utf-8", newline="\n")
        file = _Proven(version, name, path, draft.read())
        drift = compare_live(dsn, [file], platform, shadow_url)
    adoption = Adoption((), (version,), str(path), drift, dry_run)
    if not adoption.proven:
        return replace(adoption, baseline=None, marked=())
    if not dry_run:
        with history.connect(dsn) as conn, history.access():

            def do() -> None:
                _refuse_begun(conn, folder)
                _take_over(conn, [file])
                _write(path, text)  # last, so that only the commit can fail after it

            history.change(conn, Deadline(wait), do)
    return adoption


def _refuse_begun(conn: psycopg.Connection, folder: Path) -> None:
    if (folder.is_dir() and read_folder(folder).files) or history.read(conn):
        raise UsageError(
            "a baseline is for a database without a history and a folder without migrations: use "
            "`adopt`, or `adopt --through VERSION`"
        )


def _write(path: Path, text: str) -> None:
    """Write the file, or nothing of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            try:
                file.write(text)
                file.flush()
            except OSError:
                path.unlink()
                raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def _take_over(conn: psycopg.Connection, files: Sequence[MigrationFile]) -> None:
    journal.refuse_working(conn, {file.version for file in files})
    there = journal.read_known(conn)
    last = files[-1].version
    for file in files:
        content = file.read()
        if file.version not in there:
            history.see_recorded(history.record(conn, file.version, file.name, content.texts))
        elif there[file.version].sha256 is not None:
            continue  # ours already
        journal.remember(conn, file, content, origin="adopt", seconds=0)
        last = file.version
    journal.seal(conn, last)
