"""`plan`: what `up` would do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    AppliedDir,
    DbUrl,
    Platform,
    ShadowUrl,
    applied_folder,
    platform_of,
    target,
    translate,
)
from tillroll.cli.migrate.rehearsing import show_effects
from tillroll.cli.output import Json, as_text, emit, failures, say, visible
from tillroll.migrate import Plan, UsageError, make_plan

__all__ = ["plan"]


def plan(
    db_url: DbUrl = None,
    directory: AppliedDir = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write it to this file, for `up --plan`.")
    ] = None,
    no_rehearsal: Annotated[
        bool, typer.Option("--no-rehearsal", help="Statements only: no shadow, no locks.")
    ] = False,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Show what `up` would do: statements, and the locks that they take; changes nothing.

    The locks come from a rehearsal on an empty copy of the schema, their times from the sizes of
    this database's tables.
    """
    with failures(as_json, translate):
        made = make_plan(
            target(db_url),
            applied_folder(directory),
            platform=platform_of(platform),
            shadow_url=shadow_url,
            rehearsed=not no_rehearsal,
            progress=say,
        )
        if out is not None:
            try:
                out.write_text(as_text(made), encoding="utf-8")
            except OSError as error:
                raise UsageError(f"{out} cannot be written: {error.strerror}") from error
        emit(made, as_json, lambda: _show(made))


def _show(made: Plan) -> None:
    for file in made.files:
        how = "in one transaction" if file.transactional else "statement by statement"
        typer.echo(visible(f"{file.version}_{file.name}.sql, {how}"))
        for statement in file.statements:
            text = " ".join(statement.text.split())
            typer.echo(f"  {statement.line:>4}  {visible(text)}")
    if made.rehearsal is not None:
        show_effects(made.rehearsal.files)
    if not made.files:
        say("nothing pending")
