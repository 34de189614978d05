"""Commands that write and prove migrations: `new`, `check`."""

from __future__ import annotations

from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    GATE,
    Dir,
    Platform,
    ShadowUrl,
    SourceDirs,
    folder_of,
    sources_of,
    translate,
    warn_ignored,
)
from tillroll.cli.output import DONE, Json, emit, failures, say
from tillroll.migrate import CheckResult, check, new

__all__ = ["check_", "new_"]


def new_(
    slug: Annotated[str, typer.Argument(help="Its name: lower case, digits, _ and -.")],
    from_sources: Annotated[
        bool, typer.Option("--from-sources", help="Compile the first one from the sources.")
    ] = False,
    directory: Dir = None,
    sources: SourceDirs = None,
    platform: Platform = None,
    db_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Write the next migration's file: an empty draft, or the first one from the sources."""
    with failures(as_json, translate):
        wanted = sources_of(sources, platform) if from_sources else None
        path = new(folder_of(directory), slug, sources=wanted, db_url=db_url)
        emit({"path": str(path)}, as_json, lambda: typer.echo(path))


def check_(
    directory: Dir = None,
    sources: SourceDirs = None,
    platform: Platform = None,
    db_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Prove that the migrations make what the sources say; exit 10 where they do not."""
    with failures(as_json, translate):
        result = check(sources_of(sources, platform), folder_of(directory), db_url=db_url)
        warn_ignored(result.ignored)
        emit(
            {"equal": result.equal, "facts": result.facts, "differences": result.differences},
            as_json,
            lambda: _show(result),
        )
    raise typer.Exit(DONE if result.equal else GATE)


def _show(result: CheckResult) -> None:
    for difference in result.differences:
        typer.echo(str(difference))
    if result.equal:
        say(f"sources equal migrations: {result.facts} facts")
    else:
        say(f"sources and migrations differ in {len(result.differences)} of {result.facts} facts")
        say("  fix: write a migration (`tillroll migrate new NAME`), or correct the sources")
