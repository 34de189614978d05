"""`plan`: what `up` would do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tillroll.cli.migrate.options import AppliedDir, DbUrl, applied_folder, target, translate
from tillroll.cli.output import Json, as_text, emit, failures, say
from tillroll.migrate import Plan, make_plan

__all__ = ["plan"]


def plan(
    db_url: DbUrl = None,
    directory: AppliedDir = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write it to this file, for `up --plan`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what `up` would do, statement by statement; changes nothing."""
    with failures(as_json, translate):
        made = make_plan(target(db_url), applied_folder(directory))
        if out is not None:
            out.write_text(as_text(made), encoding="utf-8")
        emit(made, as_json, lambda: _show(made))


def _show(made: Plan) -> None:
    for file in made.files:
        how = "in one transaction" if file.transactional else "statement by statement"
        typer.echo(f"{file.version}_{file.name}.sql, {how}")
    if not made.files:
        say("nothing pending")
