"""What of a package a project has already, and which names it has taken.

A file is known by what it says, so it may be renamed, laid out anew or copied in by hand. A
comment in it and a lock file beside the migrations tell an edited or a missing one from one that
was never there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tillroll.migrate.errors import HistoryDivergent, UsageError
from tillroll.migrate.files import Content, Folder, MigrationFile, read_folder, read_sql
from tillroll.migrate.parser import Name, Statement, meaning, names, parse

__all__ = ["Found", "Lock", "Release", "Released", "look", "names_made"]

_HEADED = r"^-- Installed by {package} \S+ from (\S+\.sql)\."
_CLI_NAME = re.compile(r"([0-9]+)_.*\.sql")
_RESTORE = "Nothing was written. Restore it from version control and run this again."


@dataclass(frozen=True)
class Released:
    """A migration of a package."""

    file: MigrationFile
    content: Content


@dataclass(frozen=True)
class Release:
    """What a package brings.

    Attributes:
        package: Its name, which goes into the names of files: lower case letters and digits.
        version: Of the package, as text.
        folder: Its migrations, all of them since its first release.
        schemas: To be exposed by the API.
    """

    package: str
    version: str
    folder: Path
    schemas: tuple[str, ...]

    def files(self) -> dict[str, Released]:
        """Read the migrations, by their names in the package, in their order.

        Raises:
            UsageError: They cannot be read.
        """
        found = read_folder(self.folder).files
        return {file.path.name: Released(file, file.read()) for file in found}

    def header(self, source: str) -> str:
        """Return the comment that stands at the top of an installed file."""
        return f"-- Installed by {self.package} {self.version} from {source}. Do not edit it.\n"


@dataclass(frozen=True)
class Lock:
    """What the last install left for the next one.

    Attributes:
        release: The one that was installed last.
        files: SHA-256 of each of its files, by their names in the package.
    """

    release: str
    files: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> Lock | None:
        """Read it, None where there is none.

        Raises:
            UsageError: It cannot be read.
        """
        if not path.exists():
            return None
        try:
            told = json.loads(read_sql(path))
            return cls(told["release"], dict(told["files"]))
        except (ValueError, TypeError, KeyError) as error:
            raise UsageError(f"{path} is not as it was written. {_RESTORE}") from error

    def text(self) -> str:
        """Return what stands in the file."""
        return json.dumps(asdict(self), indent=2) + "\n"


@dataclass(frozen=True)
class Found:
    """What a project's migrations are.

    Attributes:
        installed: Where each file of the package is, by its name there.
        ours: Every name that these took.
        held: The names that all migrations together hold, and which file took each.
        versions: Of all files, also of those that only the Supabase CLI applies.
        ignored: .sql files that are not named `<14 digits>_<name>.sql`.
    """

    installed: Mapping[str, Path]
    ours: frozenset[Name]
    held: Mapping[Name, str]
    versions: frozenset[str]
    ignored: tuple[str, ...]


def look(
    folder: Path, release: Release, released: Mapping[str, Released], recorded: Mapping[str, str]
) -> Found:
    """Tell the package's files from the project's own.

    Args:
        folder: The project's migrations; may be missing.
        release: What shall be there.
        released: Its files.
        recorded: The hashes of those that were installed, by their names in the package.

    Raises:
        UsageError: A file cannot be read, or a newer release was installed.
        HistoryDivergent: A file of the package was edited, removed, doubled or moved.
    """
    present = read_folder(folder) if folder.is_dir() else Folder((), ())
    paths = sorted([*(each.path for each in present.files), *map(folder.joinpath, present.ignored)])
    headed = re.compile(_HEADED.format(package=re.escape(release.package)), re.MULTILINE)
    known = {
        each.content.meaning: source
        for source, each in released.items()
        if not all(statement.empty for statement in each.content.statements)
    }
    installed: dict[str, Path] = {}
    ours: set[Name] = set()
    held: dict[Name, str] = {}
    wrong = []
    for path in paths:
        text = read_sql(path).replace("\r\n", "\n")  # as Git may have checked it out
        statements = parse(text, path.name)
        says = meaning(statement.text for statement in statements)
        header = headed.search(text)
        source = header[1] if header else known.get(says)
        for statement in statements:
            _follow(held, statement, path.name)
        if source is None:
            continue
        if source in installed:
            wrong.append(f"{path.name} is there twice, also as {installed[source].name}")
        if source in released and says != released[source].content.meaning:
            wrong.append(f"{path.name} was edited")
        installed[source] = path
        ours |= names_made(statements)
    unknown = sorted((installed.keys() | recorded.keys()) - released.keys())
    if unknown:
        raise UsageError(
            f"a newer release of {release.package} than {release.version} was installed here, "
            f"with {', '.join(unknown)}: upgrade {release.package} and run this again"
        )
    wrong += _misplaced(installed, released, recorded)
    if wrong:
        raise HistoryDivergent(
            f"the migrations of {release.package} are not as they were installed:\n  "
            + "\n  ".join(wrong)
            + f"\n{_RESTORE}"
        )
    digits = [_CLI_NAME.fullmatch(path.name) for path in paths]
    return Found(
        installed,
        frozenset(ours),
        held,
        frozenset(match[1] for match in digits if match),
        present.ignored,
    )


def names_made(statements: Iterable[Statement]) -> set[Name]:
    """Return every name that statements take."""
    return {name for statement in statements for name in names(statement)[0]}


def _follow(held: dict[Name, str], statement: Statement, file: str) -> None:
    """Keep account of the names that are held; what is renamed or dropped is free again."""
    made, gone = names(statement)
    for free in gone:
        for name in [*held]:
            if name == free or (free.kind == "schema" and name.schema == free.schema):
                del held[name]
    for name in made:
        held.setdefault(name, file)


def _misplaced(
    installed: Mapping[str, Path], released: Mapping[str, Released], recorded: Mapping[str, str]
) -> list[str]:
    """Tell what is missing before what is there, and what the release itself has changed."""
    there = [source for source in released if source in installed]
    due = {source for source in released if there and source <= there[-1]} | recorded.keys()
    wrong = [f"{source} was removed" for source in sorted(due - installed.keys())]
    if there != sorted(there, key=lambda source: installed[source].name):
        wrong.append("they are in another order: " + ", ".join(there) + " is right")
    wrong += [
        f"{source} was another file in the release that was installed"
        for source, each in released.items()
        if recorded.get(source, each.content.sha256) != each.content.sha256
    ]
    return wrong
