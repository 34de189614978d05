"""Rehearse what is pending: which locks it takes, and how long they would be held."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from tillroll.migrate import history
from tillroll.migrate.errors import HistoryDivergent, UsageError
from tillroll.migrate.files import MigrationFile, read_folder
from tillroll.migrate.parser import Statement
from tillroll.migrate.rehearsal.effects import compare_states
from tillroll.migrate.rehearsal.observe import Relation, look, planned_scans
from tillroll.migrate.rehearsal.project import Projection, Seen
from tillroll.migrate.rehearsal.rates import Rates
from tillroll.migrate.rehearsal.results import Rehearsal
from tillroll.migrate.rehearsal.sizes import Sizes, server_version
from tillroll.migrate.replay import replay
from tillroll.migrate.shadow import shadow

__all__ = ["applied_versions", "rehearse"]


def rehearse(
    folder: Path,
    applied: frozenset[str],
    *,
    platform: Path | None,
    shadow_url: str | None,
    sizes: Sizes | None = None,
    rates: Rates | None = None,
    budget: float = 1,
    progress: Callable[[str], None] | None = None,
) -> Rehearsal:
    """Run the pending files on a copy of the schema without rows, and see what each does.

    Args:
        folder: The migrations.
        applied: The versions that production has.
        platform: What is there before any migration; see `Shadow`.
        shadow_url: A superuser's URL of a server to do it on; else one is started.
        sizes: Of production's tables; without them nothing is projected.
        rates: How fast production is; the defaults of `Rates` where None.
        budget: Seconds that a lock may block writes.
        progress: Told what is done just now.

    Raises:
        UsageError: The folder or a file is not usable.
        HistoryDivergent: There is an applied version without a file.
        GateFailed: A file does not apply.
        ConnectionFailed: There is no server.
    """
    found = read_folder(folder)
    if unknown := applied - {file.version for file in found.files}:
        raise HistoryDivergent(
            f"applied in the database, but not in this folder: {', '.join(sorted(unknown))}\n"
            "The schema cannot be rebuilt without them. Get those files (another branch?), or see "
            "`tillroll migrate repair --help`."
        )
    done = [file for file in found.files if file.version in applied]
    pending = [file for file in found.files if file.version not in applied]
    told = progress or (lambda _: None)
    seen: dict[str, list[Seen]] = {file.version: [] for file in pending}
    known: dict[str, dict[int, Relation]] = {}  # before each pending file

    @contextlib.contextmanager
    def observe(
        conn: psycopg.Connection, file: MigrationFile, number: int, statement: Statement
    ) -> Iterator[None]:
        if file.version in applied:
            yield
            return
        before = look(conn)
        if file.version not in known:
            told(f"rehearsing {file.path.name}")
            known[file.version] = before.relations
        there = known[file.version]
        planned = planned_scans(conn, statement, before)
        yield
        effects = compare_states(there, before, look(conn), statement, planned)
        seen[file.version].append(Seen(number, statement, effects, there))

    with shadow(platform, shadow_url) as server, server.database() as dsn:
        with history.connect(dsn) as conn:
            version = server_version(conn)
        if pending:
            told(f"replaying {len(done)} applied files")
            replay(dsn, (*done, *pending), observe)
    rates = rates or Rates()
    plan = Projection(next(iter(known.values()), {}), sizes, rates, budget)
    files = tuple(plan.file(file, seen[file.version]) for file in pending)
    return Rehearsal(
        files,
        tuple(plan.over_budget),
        None if sizes is None else budget,
        None if sizes is None else rates,
        version,
        found.ignored,
    )


def applied_versions(folder: Path, sizes: Sizes | None, through: str | None) -> frozenset[str]:
    """Return which versions to take for applied.

    Args:
        folder: The migrations.
        sizes: Their history counts; without them nothing is applied.
        through: If given, all files up to this version are, whatever the history.

    Raises:
        UsageError: There is no such file, or the history could not be read.
    """
    if through is not None:
        versions = {file.version for file in read_folder(folder).files}
        if through not in versions:
            raise UsageError(f"there is no migration {through} in {folder}")
        return frozenset(version for version in versions if version <= through)
    if sizes is not None and sizes.applied is None:
        raise UsageError(
            "the role that read the sizes may not read the history: say what is applied with "
            "--applied-through VERSION"
        )
    return frozenset((sizes and sizes.applied) or ())
