"""Sources equal migrations: the gate, and the first migration of a project."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from tillroll.migrate import history
from tillroll.migrate.compare import Difference, compare
from tillroll.migrate.errors import GateFailed, MigrationFailed, UsageError
from tillroll.migrate.facts import extract
from tillroll.migrate.files import draft_path, read_folder
from tillroll.migrate.runner import Runner
from tillroll.migrate.shadow import Shadow, shadow
from tillroll.migrate.sources import SourceFile, Sources, compile_files, load

__all__ = [
    "CheckResult",
    "NewFile",
    "check",
    "from_migrations",
    "from_sources",
    "new",
    "reference_of",
]


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        equal: Whether sources and migrations make the same database; what is cosmetic may differ.
        facts: How many the sources' database has.
        differences: Sorted, cosmetic ones among them.
        ignored: .sql files among the migrations that are not named as migrations are.
    """

    equal: bool
    facts: int
    differences: tuple[Difference, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewFile:
    """A migration's file that was made.

    Attributes:
        path: Where it stands.
    """

    path: str


def check(
    sources: Sources,
    folder: Path,
    *,
    db_url: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> CheckResult:
    """Build one database from the sources, one from the migrations, and compare them.

    Args:
        sources: The desired state.
        folder: The migrations.
        db_url: A superuser's URL of a server to make the two databases on; else one is started.
        tell: Told what is done now.

    Raises:
        UsageError: A folder or a file is not usable.
        GateFailed: One of the two does not load.
        ConnectionFailed: There is no server.
    """
    files = sources.files()
    reference = reference_of(files)
    ignored = read_folder(folder).ignored
    tell("starting a server" if db_url is None else "making two databases")
    with shadow(sources.platform, db_url) as server:
        tell(f"loading {len(files)} source files")
        with from_sources(server, files) as (conn, _):
            wanted = extract(conn, reference)
        tell("applying the migrations")
        with from_migrations(server, folder) as conn:
            made = extract(conn, reference)
    differences = compare(wanted, made)
    equal = all(each.cosmetic for each in differences)
    return CheckResult(equal, len(wanted), differences, ignored)


def reference_of(files: Sequence[SourceFile]) -> tuple[str, ...]:
    """Return the tables whose rows are part of the schema."""
    return tuple(sorted({table for file in files for table in file.reference}))


@contextmanager
def from_sources(
    server: Shadow, files: Sequence[SourceFile]
) -> Iterator[tuple[psycopg.Connection, tuple[SourceFile, ...]]]:
    """Make a database from sources; give a connection, and an order in which they load.

    Raises:
        GateFailed: There is none.
    """
    with server.database() as dsn, history.connect(dsn) as conn:
        yield conn, load(conn, files)


@contextmanager
def from_migrations(server: Shadow, folder: Path) -> Iterator[psycopg.Connection]:
    """Make a database by a folder's migrations; give a connection.

    Raises:
        GateFailed: They do not apply.
    """
    with server.database() as dsn:
        try:
            Runner(dsn, folder).up()
        except MigrationFailed as error:
            raise GateFailed(f"the migrations do not apply: {error}") from error
        with history.connect(dsn) as conn:
            yield conn


def new(
    folder: Path,
    slug: str,
    *,
    sources: Sources | None = None,
    db_url: str | None = None,
    now: datetime | None = None,
) -> Path:
    """Write the next migration's file: empty, or the first one from the sources.

    Args:
        folder: The migrations; made where missing.
        slug: The name, after the version.
        sources: Compile these; only for a folder that has no migration yet.
        db_url: As for `check`; used with `sources` only.
        now: In UTC, for the version.

    Raises:
        UsageError: The slug is no name, or the folder has migrations already.
        GateFailed: The sources load in no order.
        ConnectionFailed: There is no server to try the order on.
    """
    path = draft_path(folder, slug, now)
    text = ""
    if sources is not None:
        if folder.is_dir() and read_folder(folder).files:
            raise UsageError(
                f"{folder} has migrations already, and only the first one can be compiled from "
                "the sources as a whole: `tillroll migrate generate SLUG` writes the next"
            )
        with shadow(sources.platform, db_url) as server:
            with from_sources(server, sources.files()) as (_, order):
                pass
        text = compile_files(order, [sources.name_of(each) for each in sources.folders])
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return path
