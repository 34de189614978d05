"""`repair`: set the history right."""

from __future__ import annotations

from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    AppliedDir,
    DbUrl,
    DryRun,
    HistoryWait,
    Yes,
    applied_folder,
    confirm,
    target,
    translate,
)
from tillroll.cli.output import Json, emit, failures, say
from tillroll.migrate import RepairResult, UsageError, repair

__all__ = ["repair_"]


def repair_(
    db_url: DbUrl = None,
    directory: AppliedDir = None,
    applied: Annotated[
        list[str] | None,
        typer.Option("--applied", metavar="VERSION", help="Write down as applied; not run."),
    ] = None,
    reverted: Annotated[
        list[str] | None,
        typer.Option(
            "--reverted",
            metavar="VERSION",
            help="Take out of the history, or drop the journal of a file that is part-way; what "
            "it made stays.",
        ),
    ] = None,
    accept_edit: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-edit",
            metavar="VERSION",
            help="The file was edited after it was applied, and rightly says what the database is.",
        ),
    ] = None,
    align: Annotated[
        bool,
        typer.Option(
            "--align",
            help="Move rows to the version that a file of the same statements has now, and take "
            "over its name.",
        ),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: HistoryWait = 60,
    as_json: Json = False,
) -> None:
    """Change what the history says, never what the database is. Options can be repeated."""
    with failures(as_json, translate):
        if not (applied or reverted or accept_edit or align):
            raise UsageError(
                "nothing to repair: give --applied, --reverted, --accept-edit or --align"
            )
        dsn, folder = target(db_url), applied_folder(directory)
        if not dry_run:
            confirm(dsn, folder, yes, "Change the history of migrations on another machine?")
        result = repair(
            dsn,
            folder,
            applied=applied or (),
            reverted=reverted or (),
            accept_edit=accept_edit or (),
            align=align,
            dry_run=dry_run,
            wait=wait,
        )
        emit(result, as_json, lambda: _show(result))


def _show(result: RepairResult) -> None:
    for each in result.repairs:
        typer.echo(f"{each.action} {each.version}" + (f" -> {each.to}" if each.to else ""))
    if not result.repairs:
        say("nothing to repair")
    elif result.dry_run:
        say("nothing was changed: this was a dry run")
