"""Commands that look ahead: `stats`, `rehearse`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    GATE,
    DbUrl,
    Dir,
    Platform,
    ShadowUrl,
    folder_of,
    platform_of,
    target,
    translate,
    warn_ignored,
)
from tillroll.cli.output import DONE, Json, emit, failures, say, write_json, write_table
from tillroll.migrate import (
    Rates,
    RehearsedFile,
    Sizes,
    StatementEffect,
    UsageError,
    applied_versions,
    calibrate,
    load_rates,
    load_sizes,
    rehearse,
    save_rates,
    sizes_of,
)

__all__ = ["rehearse_", "show_effects", "stats"]

BUDGET = 1.0


def stats(db_url: DbUrl = None, as_json: Json = False) -> None:
    """Write how big a database's tables are, as JSON, for `rehearse --stats`.

    It reads the catalog only, in a read-only transaction: no row, no query's text. A role without
    any rights can do it; one that may read the history (or `pg_read_all_stats`) tells more.
    """
    with failures(as_json, translate):
        sizes = sizes_of(target(db_url))
        emit(sizes, as_json, lambda: write_json(sizes))


def rehearse_(
    db_url: Annotated[
        str | None, typer.Option("--db-url", help="Read sizes and history from this database.")
    ] = None,
    stats: Annotated[
        Path | None, typer.Option(help="Take sizes and history from this file of `stats`.")
    ] = None,
    applied_through: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Take the files up to this version as applied; else as the history says, and "
            "none where there is no history.",
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="How long a lock may block writes; 1, where sizes are known."
        ),
    ] = None,
    rates: Annotated[
        Path | None, typer.Option(help="Reckon with the rates of this file of --calibrate.")
    ] = None,
    calibrate_: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="Measure the shadow server's rates, and keep them in --rates."
        ),
    ] = False,
    directory: Dir = None,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Run what is pending on an empty copy, and tell which locks it takes and for how long.

    Each statement is shown with the locks that it takes on tables that are there already, and with
    what it rewrites, reads as a whole or builds an index on. Exit 10 where a lock that blocks
    writes would be held beyond the budget; small tables (below 10,000 rows and 8 MiB) and new ones
    do not count.
    """
    with failures(as_json, translate):
        folder, files = folder_of(directory), platform_of(platform)
        sizes = _sizes(db_url, stats)
        if budget is not None and sizes is None:
            raise UsageError("a budget needs the tables' sizes: add --db-url or --stats")
        result = rehearse(
            folder,
            applied_versions(folder, sizes, applied_through),
            platform=files,
            shadow_url=shadow_url,
            sizes=sizes,
            rates=_rates(rates, calibrate_, files, shadow_url),
            budget=BUDGET if budget is None else budget,
            progress=say,
        )
        warn_ignored(result.ignored)
        if sizes is not None and _major(sizes.server_version) != _major(result.server_version):
            say(
                f"warning: rehearsed on Postgres {result.server_version}, while the database runs "
                f"{sizes.server_version}: name a server of that version with --shadow-url"
            )
        emit(result, as_json, lambda: show_effects(result.files))
        for over in result.over_budget:
            say(f"over the budget of {result.budget_seconds:g} s: {over}")
    raise typer.Exit(GATE if result.over_budget else DONE)


def _sizes(db_url: str | None, stats: Path | None) -> Sizes | None:
    if db_url and stats:
        raise UsageError("--db-url and --stats both tell the sizes: give one of them")
    if stats:
        return load_sizes(stats)
    return sizes_of(db_url) if db_url else None


def _rates(
    path: Path | None, measure: bool, platform: Path, shadow_url: str | None
) -> Rates | None:
    if not measure:
        return load_rates(path) if path else None
    say("measuring the shadow server's rates …")
    rates = calibrate(platform, shadow_url)
    if path:
        save_rates(rates, path)
    return rates


def _major(version: str) -> str:
    return version.partition(".")[0]


def show_effects(files: tuple[RehearsedFile, ...]) -> None:
    """Write what each statement does to tables that are there already."""
    rows = [
        row
        for file in files
        for statement in file.statements
        for row in _rows(f"{file.version}_{file.name}", statement)
    ]
    if rows:
        write_table(
            ("place", "lock", "on", "held", "what happens to it", "runs", "statement"),
            rows,
            right=("held", "runs"),
        )
    elif files:
        say("nothing of what is pending touches a table that is there already")
    else:
        say("nothing pending")


def _rows(file: str, statement: StatementEffect) -> Iterator[tuple[str | None, ...]]:
    """Give a row for each table that a statement does something to."""
    text = " ".join(statement.text.split())
    place: str | None = f"{file}:{statement.line}"
    runs, shown = _time(statement.seconds_projected), text if len(text) < 50 else f"{text[:49]}…"
    locks = {lock.relation: (lock.mode, _time(lock.held_seconds)) for lock in statement.locks}
    done = {relation: ["rewritten"] for relation in statement.rewrites}
    for scan in statement.scans:
        done.setdefault(scan.relation, []).append(f"read ×{scan.times}")
    for relation in statement.index_builds:
        done.setdefault(relation, []).append("index")
    for relation in sorted(locks.keys() | done.keys()):
        mode, held = locks.get(relation, (None, None))
        yield place, mode, relation, held, ", ".join(done.get(relation, [])), runs, shown
        place = runs = shown = ""


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.2f} s"
