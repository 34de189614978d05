"""Which files are read, and what they do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tillroll.migrate.errors import UsageError
from tillroll.migrate.files import MigrationFile, read_folder, read_sql
from tillroll.migrate.lint.world import Step, Unit
from tillroll.migrate.parser import Change, changes, parse

__all__ = ["choose", "read_unit", "shown"]


def choose(
    folder: Path, named: Sequence[Path], since: str | None
) -> list[tuple[MigrationFile, bool]]:
    """Return the files up to the last one to lint, and of each whether it is to be linted.

    Raises:
        UsageError: There is no such folder or file, or files and a version are given.
    """
    if named and since:
        raise UsageError("give files, or a version to start after: one of the two")
    for path in named:
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
    there = read_folder(folder).files if folder.is_dir() or not named else ()
    wanted = {path.resolve() for path in named}
    chosen = [
        file
        for file in there
        if (not named or file.path.resolve() in wanted) and file.version > (since or "")
    ]
    inside = {file.path.resolve() for file in chosen}
    last = chosen[-1].version if chosen else ""
    return [
        *((file, file in chosen) for file in there if file.version <= last),
        *((MigrationFile("", p.stem, p), True) for p in named if p.resolve() not in inside),
    ]


def shown(path: Path) -> str:
    """Return a path as people know it: from where they are, if it is below."""
    real, here = Path(os.path.abspath(path)), Path.cwd()
    return real.relative_to(here).as_posix() if real.is_relative_to(here) else str(path)


def read_unit(file: MigrationFile, linted: bool) -> Unit:
    """Read a file. Names without a schema are taken for `public`'s.

    Raises:
        UsageError: It cannot be read, or is no SQL.
    """
    statements = parse(read_sql(file.path), file.path.name)
    steps = tuple(
        Step(statement, _qualified(change))
        for statement in statements
        for change in changes(statement)
    )
    refused = ""
    try:
        file.read()
    except UsageError as error:
        refused = str(error)
    return Unit(file, linted, shown(file.path), statements, steps, refused)


def _qualified(change: Change) -> Change:
    everywhere = "default" in change.action  # no schema is each schema
    return change if change.schema or everywhere else replace(change, schema="public")
