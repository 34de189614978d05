"""The sources as statements, and what a mutant is: one thing of one statement, taken out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import postgast

from tests.conftest import ROOT
from tillroll.migrate.parser import parse

FOLDERS = ("functions", "sql/ledger_private", "sql/ledger")


@dataclass(frozen=True)
class Mutant:
    """One change of the schema.

    Attributes:
        name: The file and what of it was changed: `functions/ledger/f.sql: setting lock_timeout`.
        kind: Of the change: the row of the table of results.
        target: The object that the file is about, with its schema.
        sql: Makes the change in a migrated database.
    """

    name: str
    kind: str
    target: str
    sql: str


@dataclass(frozen=True)
class Source:
    """A statement of a file.

    Attributes:
        file: Its path below the root.
        target: The object that the file is about, with its schema.
        text: The statement, without its semicolon.
        kind: Its kind, as the parser names it: `create_stmt`.
        node: Its tree.
    """

    file: str
    target: str
    text: str
    kind: str
    node: Any

    def mutant(self, kind: str, what: str, sql: str) -> Mutant:
        return Mutant(f"{self.file}: {what}", kind, self.target, sql)

    def written(self) -> Any:
        """A copy of the tree that can be changed, and given to `written_out`."""
        return postgast.parse(self.text)


def written_out(tree: Any) -> str:
    """A tree as SQL again."""
    text: str = postgast.deparse(tree)
    return text


def read(path: Path) -> Iterator[Source]:
    """The statements of a file of `sql` or `functions`."""
    file = path.relative_to(ROOT).as_posix()
    yield from cut(path.read_text(), file)


def cut(text: str, file: str) -> Iterator[Source]:
    """The statements of a text that stands in this file."""
    schema, name = Path(file).parts[-2:]
    for statement in parse(text, file):
        if not statement.empty:
            tree = postgast.parse(statement.text).stmts[0].stmt
            kind = tree.WhichOneof("node")
            target = f"{schema}.{name.removesuffix('.sql')}"
            yield Source(file, target, statement.text, kind, getattr(tree, kind))


def files() -> list[Path]:
    """Every file of the desired state, but for the platform's and the reference rows."""
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.sql"))]


def qualified(relation: Any) -> str:
    """The name of a table or view, with its schema."""
    return f"{relation.schemaname}.{relation.relname}"
