"""`tillroll install`: our migrations in a project of somebody else."""

from __future__ import annotations

from importlib.metadata import version as installed
from pathlib import Path
from typing import Annotated

import typer

from tillroll.assets import asset
from tillroll.cli.migrate import RESULTS
from tillroll.cli.migrate.options import DryRun, project_root, translate, warn_ignored
from tillroll.cli.output import Json, emit, failures, say
from tillroll.migrate import InstallResult, Release, install

__all__ = ["install_"]

RESULTS["install"] = InstallResult

NEXT = """\
next:
  supabase db push     or: tillroll migrate up --db-url URL, as postgres
  on supabase.com, expose `ledger` in the dashboard too (Data API, Exposed schemas): config.toml is
  for `supabase start`. Never expose `ledger_private`."""


def install_(
    project: Annotated[
        Path | None, typer.Argument(help="Holds supabase/; else the project around here.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Put Tillroll's migrations into a Supabase project, or those that it does not have yet.

    Writes supabase/migrations/<version>_tillroll_<name>.sql, and [api] schemas in
    supabase/config.toml: all of it, or nothing. Exit 9 where an installed migration was edited or
    removed.
    """
    release = Release(
        "tillroll", installed("tillroll"), asset("supabase/migrations"), schemas=("ledger",)
    )
    with failures(as_json, translate):
        root = (project or project_root()).resolve()
        result = install(root, release, dry_run=dry_run)
        warn_ignored(result.ignored)
        emit(result, as_json, lambda: _show(result))


def _show(result: InstallResult) -> None:
    for path in result.written:
        typer.echo(path)
    if not result.written:
        say(f"tillroll {result.release} is installed already: nothing to write")
    elif result.dry_run:
        say(f"{result.config}\nnothing was written; versions will be those of the moment".strip())
    else:
        say(NEXT)
