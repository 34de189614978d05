"""A folder against a database: where each file stands."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import psycopg

from tillroll.migrate import journal
from tillroll.migrate.errors import HistoryDivergent, Unfinished, UsageError
from tillroll.migrate.files import Content, Folder, MigrationFile
from tillroll.migrate.journal import Known
from tillroll.migrate.parser import meaning

__all__ = [
    "Binding",
    "FileStatus",
    "State",
    "Status",
    "bind",
    "compare_history",
    "forward",
    "read_status",
    "refuse_divergent",
]

State = Literal["applied", "cosmetic", "edited", "running", "part_way", "pending", "out_of_order"]
_APPLIED: tuple[State, ...] = ("applied", "cosmetic", "edited")


@dataclass(frozen=True)
class FileStatus:
    """A file and where it stands.

    Attributes:
        state: `applied`; `cosmetic`, applied and since then changed in layout or comments only;
            `edited`, applied and since then changed in what it does; `running`, a file without a
            transaction at which a runner is just now; `part_way`, such a file that was begun;
            `pending`; `out_of_order`, pending below the newest applied
            version.
        verified: Whether an applied file could be compared with what was applied; an old tool may
            have written down its version only.
    """

    version: str
    name: str
    state: State
    verified: bool = True


@dataclass(frozen=True)
class Status:
    """A folder against a database.

    Attributes:
        files: By version.
        remote_only: Versions in the database's history that have no file.
        ignored: .sql files that are not named `<14 digits>_<name>.sql`.
        divergent: Whether `up` would refuse, because the history and the folder are not one line.
        pending: How many files are not applied, out of order or not.
    """

    files: tuple[FileStatus, ...]
    remote_only: tuple[str, ...]
    ignored: tuple[str, ...]
    divergent: bool
    pending: int

    def in_state(self, *states: State) -> tuple[FileStatus, ...]:
        """Return the files in one of some states."""
        return tuple(file for file in self.files if file.state in states)


@dataclass(frozen=True)
class Binding:
    """What a plan is bound to: apply these files to that history, or nothing.

    Attributes:
        history: A hash of the versions that are applied.
        files: Version and SHA-256 of each file to apply, in order.
    """

    history: str
    files: tuple[tuple[str, str], ...]


def read_status(conn: psycopg.Connection, folder: Folder) -> Status:
    """Compare a folder with a database's history and our journal."""
    return compare_history(folder, journal.read_known(conn), journal.unfinished(conn))


def compare_history(
    folder: Folder, known: Mapping[str, Known], begun: Mapping[str, bool] | None = None
) -> Status:
    """Compare a folder with what is known of the applied versions.

    Args:
        begun: Versions of which the journal knows steps, and whether a runner is at them now.
    """
    begun = begun or {}
    newest = max(known, default="")
    files = []
    for file in folder.files:
        state: State = "pending"
        verified = True
        if file.version in known:
            state, verified = _applied(file, known[file.version])
        elif file.version in begun:
            state = "running" if begun[file.version] else "part_way"
        elif file.version < newest:
            state = "out_of_order"
        files.append(FileStatus(file.version, file.name, state, verified))
    remote_only = tuple(sorted(set(known) - {file.version for file in folder.files}))
    return Status(
        tuple(files),
        remote_only,
        folder.ignored,
        bool(remote_only) or any(file.state in {"edited", "out_of_order"} for file in files),
        sum(file.state not in _APPLIED for file in files),
    )


def forward(
    folder: Folder, status: Status, allowed: Collection[str] = ()
) -> tuple[MigrationFile, ...]:
    """Return what is pending, in order, or refuse a history that the folder does not continue.

    Args:
        allowed: Versions that may be applied although a newer one is.

    Raises:
        UsageError: There are files that only the Supabase CLI takes for migrations.
        HistoryDivergent: There are versions without a file, edited files, or files out of order.
        Unfinished: A file is part-way.
    """
    if folder.misnamed:
        raise UsageError(
            f"the Supabase CLI would apply these, and they have no version of 14 digits: "
            f"{', '.join(folder.misnamed)}\n"
            "Nothing was applied. Rename them to <14 digits>_<name>.sql; where they are applied "
            "already, `tillroll migrate repair --align` follows."
        )
    refuse_divergent(status, "Nothing was applied.")
    late = [file for file in status.in_state("out_of_order") if file.version not in allowed]
    if late:
        raise HistoryDivergent(
            f"older than the newest applied version: {_names(late)}\n"
            "Nothing was applied: files run in the order of their versions. `up --out-of-order` "
            "applies them where the order is proven not to matter; if they were never applied "
            "anywhere, rename them to a later version."
        )
    if begun := status.in_state("part_way"):
        raise Unfinished(begun[0].version, f"{begun[0].version}_{begun[0].name}.sql")
    todo = {file.version for file in status.in_state("running", "pending", "out_of_order")}
    return tuple(file for file in folder.files if file.version in todo)


def refuse_divergent(status: Status, consequence: str) -> None:
    """Refuse a history that has versions without a file, or whose files were edited since.

    Args:
        consequence: What follows from it, as a sentence.

    Raises:
        HistoryDivergent: It has.
    """
    if status.remote_only:
        raise HistoryDivergent(
            f"applied in the database, but not in this folder: {', '.join(status.remote_only)}\n"
            f"{consequence} Get those files (another branch? `git pull`), or see "
            "`tillroll migrate repair --help`."
        )
    if edited := status.in_state("edited"):
        raise HistoryDivergent(
            f"edited after they were applied: {_names(edited)}\n"
            f"{consequence} Restore them and write a new migration; where the database "
            "already is what they say now: `tillroll migrate repair --accept-edit VERSION`."
        )


def _applied(file: MigrationFile, known: Known) -> tuple[State, bool]:
    if known.sha256 is not None and known.sha256 == file.sha256():
        return "applied", True
    if known.statements is not None and file.consists_of(known.statements):
        return "applied", True
    before = known.meaning
    if before is None and known.statements is not None:
        before = meaning(known.statements)
    if before is None:
        return "applied", False
    try:
        now = meaning(statement.text for statement in file.statements())
    except UsageError:  # what was applied was SQL
        return "edited", True
    return ("cosmetic" if now == before else "edited"), True


def _names(files: Collection[FileStatus]) -> str:
    return ", ".join(f"{file.version}_{file.name}" for file in files)


def bind(status: Status, contents: Mapping[str, Content]) -> Binding:
    """Return what a plan that is made now is bound to.

    Args:
        contents: What is to apply, by version, in order.
    """
    applied = sorted(
        [file.version for file in status.in_state(*_APPLIED)] + list(status.remote_only)
    )
    return Binding(
        hashlib.sha256("\n".join(applied).encode()).hexdigest(),
        tuple((version, content.sha256) for version, content in contents.items()),
    )
