"""The folder of migrations: names, order, new drafts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tillroll.migrate.errors import UsageError
from tillroll.migrate.parser import Statement, parse

__all__ = ["Folder", "MigrationFile", "draft_path", "read_folder", "read_sql"]

_NAME = re.compile(r"([0-9]{14})_(.+)\.sql")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_UNTRANSACTED = re.compile(r"--\s*pg-delta:\s*transaction\s*=\s*false\s*$")


@dataclass(frozen=True)
class MigrationFile:
    """One file `<14 digits>_<name>.sql`."""

    version: str
    name: str
    path: Path

    def statements(self) -> tuple[Statement, ...]:
        """Parse the file.

        Raises:
            UsageError: It is no SQL, or cannot run in the one transaction that a file gets.
        """
        text = read_sql(self.path)
        where = self.path.name
        if _UNTRANSACTED.match(text.split("\n", 1)[0].rstrip()):
            raise UsageError(
                f"{where}: its first line asks for no transaction, which this version does not "
                "run; nothing was applied. Apply it with `supabase db push`."
            )
        statements = parse(text, where)
        for number, statement in enumerate(statements, 1):
            if statement.alone:
                raise UsageError(
                    f"{where}: statement {number} ({statement.alone}) cannot run in a "
                    "transaction, and this version runs each file in one; nothing was applied. "
                    "Put it into a file of its own and apply that with `supabase db push`."
                )
            if statement.mark:
                raise UsageError(
                    f"{where}: statement {number} begins or ends a transaction, but a file is "
                    "one transaction as a whole; nothing was applied. Remove that statement."
                )
        return statements


@dataclass(frozen=True)
class Folder:
    """What a folder holds.

    Attributes:
        files: By version.
        ignored: Names of .sql files that are not named as migrations are.
    """

    files: tuple[MigrationFile, ...]
    ignored: tuple[str, ...]


def read_sql(path: Path) -> str:
    """Return a file's text, without a byte order mark.

    Raises:
        UsageError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8. Save it as UTF-8.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def read_folder(folder: Path) -> Folder:
    """List a folder's migrations.

    Raises:
        UsageError: There is no such folder, or two files have one version.
    """
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}: run this in the project's root, or name it with --dir"
        )
    files: dict[str, MigrationFile] = {}
    ignored = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".sql" or not path.is_file():
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            ignored.append(path.name)
            continue
        version, name = match.groups()
        if version in files:
            raise UsageError(
                f"{files[version].path.name} and {path.name} have the same version: "
                "give the one that was never applied a later one"
            )
        files[version] = MigrationFile(version, name, path)
    return Folder(tuple(files[version] for version in sorted(files)), tuple(ignored))


def draft_path(folder: Path, slug: str, now: datetime | None = None) -> Path:
    """Return the path of the next migration: now in UTC, or a second after the newest.

    Raises:
        UsageError: The slug is not lower case letters, digits, `_` and `-`.
    """
    if not _SLUG.fullmatch(slug):
        raise UsageError(
            f"{slug!r} is no name for a migration: use lower case letters, digits, _ and -"
        )
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    files = read_folder(folder).files if folder.is_dir() else ()
    newest = files[-1].version if files else ""
    version = moment.strftime("%Y%m%d%H%M%S")
    if newest and version <= newest:
        version = _second_after(newest)
    return folder / f"{version}_{slug}.sql"


def _second_after(version: str) -> str:
    try:
        last = datetime.strptime(version, "%Y%m%d%H%M%S")
    except ValueError:  # fourteen digits that are no date
        return f"{int(version) + 1:014d}"
    return (last + timedelta(seconds=1)).strftime("%Y%m%d%H%M%S")
