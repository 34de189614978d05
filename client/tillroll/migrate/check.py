"""Sources equal migrations: the gate, and the first migration of a project."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from tillroll.migrate import history
from tillroll.migrate.errors import GateFailed, MigrationFailed, UsageError
from tillroll.migrate.facts import Fact, extract
from tillroll.migrate.files import draft_path, read_folder
from tillroll.migrate.runner import Runner
from tillroll.migrate.shadow import shadow
from tillroll.migrate.sources import Sources, compile_files, load

__all__ = ["CheckResult", "Difference", "check", "compare", "new"]

Side = Literal["only in sources", "only in migrations", "different"]


@dataclass(frozen=True)
class Difference:
    """One fact on which sources and migrations do not agree."""

    side: Side
    kind: str
    identity: str
    sources: str | None
    migrations: str | None

    def __str__(self) -> str:
        head = f"{self.side}: {self.kind} {self.identity}"
        if self.sources is None or self.migrations is None:
            return head
        changes = difflib.unified_diff(
            self.migrations.splitlines(),
            self.sources.splitlines(),
            "migrations",
            "sources",
            lineterm="",
        )
        return "\n".join([head, *(f"    {line}" for line in changes)])


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        facts: How many the sources' database has.
        differences: Sorted; none where sources equal migrations.
        ignored: .sql files among the migrations that are not named as migrations are.
    """

    facts: int
    differences: tuple[Difference, ...]
    ignored: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether sources and migrations make the same database."""
        return not self.differences


def check(sources: Sources, folder: Path, *, db_url: str | None = None) -> CheckResult:
    """Build one database from the sources, one from the migrations, and compare them.

    Args:
        sources: The desired state.
        folder: The migrations.
        db_url: A superuser's URL of a server to make the two databases on; else one is started.

    Raises:
        UsageError: A folder or a file is not usable.
        GateFailed: One of the two does not load.
        ConnectionFailed: There is no server.
    """
    files = sources.files()
    reference = sorted({table for file in files for table in file.reference})
    ignored = read_folder(folder).ignored
    with shadow(sources.platform, db_url) as server:
        with server.database() as desired, history.connect(desired) as conn:
            load(conn, files)
            wanted = extract(conn, reference)
        with server.database() as replayed:
            try:
                Runner(replayed, folder).up()
            except MigrationFailed as error:
                raise GateFailed(f"the migrations do not apply: {error}") from error
            with history.connect(replayed) as conn:
                made = extract(conn, reference)
    return CheckResult(len(wanted), compare(wanted, made), ignored)


def compare(sources: Sequence[Fact], migrations: Sequence[Fact]) -> tuple[Difference, ...]:
    """Return the facts on which two databases differ, sorted by kind and identity."""
    wanted = {(fact.kind, fact.identity): fact.definition for fact in sources}
    made = {(fact.kind, fact.identity): fact.definition for fact in migrations}
    differences = []
    for key in sorted(wanted.keys() | made.keys()):
        ours, theirs = wanted.get(key), made.get(key)
        if ours != theirs:
            side: Side = "different"
            if theirs is None:
                side = "only in sources"
            elif ours is None:
                side = "only in migrations"
            differences.append(Difference(side, *key, ours, theirs))
    return tuple(differences)


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
                "the sources as a whole: write the next by hand (`new` without --from-sources) "
                "and let `check` prove it"
            )
        with shadow(sources.platform, db_url) as server:
            with server.database() as dsn, history.connect(dsn) as conn:
                order = load(conn, sources.files())
        text = compile_files(order, [sources.name_of(each) for each in sources.folders])
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return path
