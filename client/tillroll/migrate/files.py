"""The folder of migrations: names, order, new drafts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tillroll.migrate.errors import UsageError
from tillroll.migrate.parser import Statement, concurrent, consists_of, meaning, parse

__all__ = [
    "Content",
    "Folder",
    "MigrationFile",
    "draft_path",
    "next_version",
    "read_folder",
    "read_sql",
]

_NAME = re.compile(r"([0-9]{14})_(.+)\.sql")
_VERSION = "%Y%m%d%H%M%S"
_CLI_NAME = re.compile(r"[0-9]+_.*\.sql")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
_UNTRANSACTED = "-- pg-delta: transaction=false"  # the CLI takes no other spelling


@dataclass(frozen=True)
class Content:
    """What a file says.

    Attributes:
        statements: All of them, as the history stores them.
        skipped: Indexes of a BEGIN that opens and a COMMIT that ends the file: they say what holds
            anyway, and are not run.
        transactional: Whether it runs as a whole or not at all; else statement by statement.
        sha256: Of its bytes, as hexadecimal.
        meaning: Of its tokens: layout and comments do not count.
    """

    statements: tuple[Statement, ...]
    skipped: frozenset[int]
    transactional: bool
    sha256: str
    meaning: str

    @property
    def texts(self) -> list[str]:
        """The statements as the history stores them."""
        return [statement.text for statement in self.statements]


@dataclass(frozen=True)
class MigrationFile:
    """One file `<14 digits>_<name>.sql`."""

    version: str
    name: str
    path: Path

    def sha256(self) -> str:
        """Return the hash of the file's bytes, as hexadecimal.

        Raises:
            UsageError: It cannot be read.
        """
        return hashlib.sha256(_read_bytes(self.path)).hexdigest()

    def consists_of(self, statements: Sequence[str]) -> bool:
        """Whether it holds just these; told without parsing, as the CLI applies more than we do."""
        text = _read_bytes(self.path).decode("utf-8-sig", "replace")
        return consists_of(text, statements)

    def statements(self) -> tuple[Statement, ...]:
        """Cut the file, whether or not it can be applied.

        Raises:
            UsageError: It is no SQL.
        """
        return parse(read_sql(self.path), self.path.name)

    def read(self) -> Content:
        """Parse the file, whose bytes are read once: what is applied is what was hashed.

        Raises:
            UsageError: It is no SQL, or holds what no file can: the end of a transaction, COPY with
                the client, an index without a name that is built concurrently.
        """
        raw = _read_bytes(self.path)
        text = _decode(raw, self.path)
        where = self.path.name
        statements = parse(text, where)
        skipped = _wrapping(statements)
        for number, statement in enumerate(statements, 1):
            if statement.mark and number - 1 not in skipped:
                raise UsageError(
                    f"{where}: statement {number} begins or ends a transaction, but a file is "
                    "one transaction as a whole; nothing was applied. Remove that statement."
                )
            if statement.encodes:
                raise UsageError(
                    f"{where}: statement {number} sets another client_encoding, but a file is sent "
                    "as UTF-8; nothing was applied. Remove that statement."
                )
            if statement.needs_client:
                raise UsageError(
                    f"{where}: statement {number} is COPY from or to the client, which sends no "
                    "data here; nothing was applied. Use INSERT."
                )
            about = concurrent(statement)
            if about and about.action == "create" and not about.name:
                raise UsageError(
                    f"{where}: statement {number} builds an index without a name, which could not "
                    "be found again after a failure; nothing was applied. Give it one."
                )
        alone = next((each.alone for each in statements if each.alone), None)
        if alone and skipped:
            raise UsageError(
                f"{where}: {alone} cannot run between BEGIN and COMMIT; nothing was applied. "
                "Remove those two."
            )
        return Content(
            statements,
            skipped,
            # BEGIN and COMMIT mean what they say, also below the directive.
            alone is None
            and (bool(skipped) or text.split("\n", 1)[0].removesuffix("\r") != _UNTRANSACTED),
            hashlib.sha256(raw).hexdigest(),
            meaning(statement.text for statement in statements),
        )


@dataclass(frozen=True)
class Folder:
    """What a folder holds.

    Attributes:
        files: By version.
        ignored: Names of .sql files that are not named as migrations are.
    """

    files: tuple[MigrationFile, ...]
    ignored: tuple[str, ...]

    @property
    def misnamed(self) -> tuple[str, ...]:
        """Those of the ignored that the Supabase CLI takes for migrations."""
        return tuple(name for name in self.ignored if _CLI_NAME.fullmatch(name))


def read_sql(path: Path) -> str:
    """Return a file's text, without a byte order mark.

    Raises:
        UsageError: It cannot be read, or is not UTF-8.
    """
    return _decode(_read_bytes(path), path)


def read_folder(folder: Path) -> Folder:
    """List a folder's migrations.

    Raises:
        UsageError: There is no such folder, two files have one version, or a name cannot be
            printed.
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
        if not path.name.isprintable():  # also: no UTF-8, which stands for a byte then
            raise UsageError(
                f"{path.name!r} has characters in its name that cannot be printed: rename it"
            )
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
    files = read_folder(folder).files if folder.is_dir() else ()
    version = next_version(files[-1].version if files else "", now)
    return folder / f"{version}_{slug}.sql"


def next_version(newest: str, now: datetime | None = None) -> str:
    """Return now in UTC as a version, or a second after the newest one.

    Raises:
        UsageError: There is none of fourteen digits.
    """
    version = (now or datetime.now(UTC)).strftime(_VERSION)
    if version > newest:
        return version
    try:
        return (datetime.strptime(newest, _VERSION) + timedelta(seconds=1)).strftime(_VERSION)
    except (ValueError, OverflowError):  # fourteen digits that are no date, or the last one
        version = str(int(newest) + 1)
    if len(version) > 14:
        raise UsageError(f"there is no version after {newest}: give that file an earlier one")
    return version


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _decode(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8. Save it as UTF-8.") from error


def _wrapping(statements: Sequence[Statement]) -> frozenset[int]:
    """Return where BEGIN and COMMIT stand that wrap a file as a whole."""
    code = [index for index, each in enumerate(statements) if not each.empty]
    marks = [statements[code[end]].mark for end in (0, -1)] if len(code) > 1 else []
    return frozenset((code[0], code[-1])) if marks == ["begin", "commit"] else frozenset()
