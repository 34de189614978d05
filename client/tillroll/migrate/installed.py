"""What of a package a project has already, and which names its migrations hold.

A file is known by what it says, so it may be renamed, laid out anew or copied in by hand. A
comment in it tells an edited one from one that was never there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tillroll.migrate.errors import HistoryDivergent, UsageError
from tillroll.migrate.files import Content, Folder, read_folder, read_sql
from tillroll.migrate.parser import Name, Statement, meaning, names, parse

__all__ = ["Found", "Release", "look"]

_HEADED = r"^-- Installed by {package} \S+ from (\S+\.sql)\."


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

    def files(self) -> dict[str, Content]:
        """Read the migrations, by their names in the package, in their order.

        Raises:
            UsageError: They cannot be read.
        """
        return {file.path.name: file.read() for file in read_folder(self.folder).files}

    def header(self, source: str) -> str:
        """Return the comment that stands at the top of an installed file."""
        return f"-- Installed by {self.package} {self.version} from {source}. Do not edit it.\n"


@dataclass(frozen=True)
class Found:
    """What a project's migrations are.

    Attributes:
        installed: Where each file of the package is, by its name there.
        held: The names that all migrations together hold, and which file took each.
        newest: The newest version; empty where there is none.
        ignored: .sql files that are not named `<14 digits>_<name>.sql`.
    """

    installed: Mapping[str, Path]
    held: Mapping[Name, str]
    newest: str
    ignored: tuple[str, ...]


def look(folder: Path, release: Release, released: Mapping[str, Content]) -> Found:
    """Tell the package's files from the project's own.

    Args:
        folder: The project's migrations; may be missing.
        release: What shall be there.
        released: Its files.

    Raises:
        UsageError: A file cannot be read, or a newer release was installed.
        HistoryDivergent: A file of the package was edited, removed, doubled or moved.
    """
    present = read_folder(folder) if folder.is_dir() else Folder((), ())
    paths = sorted([*(each.path for each in present.files), *map(folder.joinpath, present.ignored)])
    headed = re.compile(_HEADED.format(package=re.escape(release.package)), re.MULTILINE)
    known = {
        each.meaning: source
        for source, each in released.items()
        if not all(statement.empty for statement in each.statements)
    }
    installed: dict[str, Path] = {}
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
        if source in released and says != released[source].meaning:
            wrong.append(f"{path.name} was edited")
        installed[source] = path
    if unknown := sorted(installed.keys() - released.keys()):
        raise UsageError(
            f"a newer release of {release.package} than {release.version} was installed here, "
            f"with {', '.join(unknown)}: upgrade {release.package} and run this again"
        )
    due = list(released)[: len(installed)]
    wrong += [f"{source} was removed" for source in due if source not in installed]
    if [*installed] != [source for source in released if source in installed]:
        wrong.append(f"they are in another order than {', '.join(due)}")
    if wrong:
        raise HistoryDivergent(
            f"the migrations of {release.package} are not as they were installed:\n  "
            + "\n  ".join(wrong)
            + "\nNothing was written. Restore it from version control and run this again."
        )
    newest = present.files[-1].version if present.files else ""
    return Found(installed, held, newest, present.ignored)


def _follow(held: dict[Name, str], statement: Statement, file: str) -> None:
    """Keep account of the names that are held; what is renamed or dropped is free again."""
    made, gone = names(statement)
    for free in gone:
        for name in [*held]:
            if name == free or (free.kind == "schema" and name.schema == free.schema):
                del held[name]
    for name in made:
        held.setdefault(name, file)
