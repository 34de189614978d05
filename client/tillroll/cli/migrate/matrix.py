"""`matrix`: which role may do what, against its lock file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    GATE,
    Dir,
    Platform,
    ShadowUrl,
    WriteLock,
    folder_of,
    platform_of,
    project_root,
    translate,
)
from tillroll.cli.output import DONE, Json, emit, failures, say
from tillroll.migrate import ROLES, MatrixResult, matrix

__all__ = ["matrix_"]


def matrix_(
    role: Annotated[
        list[str] | None,
        typer.Option(help=f"Whose rights, repeatable; {', '.join(ROLES)}."),
    ] = None,
    lock: Annotated[
        Path | None, typer.Option(help="The lock file; sql/authorization.json.")
    ] = None,
    write: WriteLock = False,
    accept_widening: Annotated[
        bool, typer.Option("--accept-widening", help="What is widened is meant.")
    ] = False,
    directory: Dir = None,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Compare which role may do what with the committed lock; exit 10 where it differs."""
    with failures(as_json, translate):
        result = matrix(
            folder_of(directory),
            lock or project_root() / "sql" / "authorization.json",
            roles=role or ROLES,
            platform=platform_of(platform),
            db_url=shadow_url,
            write=write,
            accept_widening=accept_widening,
        )
        emit(result, as_json, lambda: _show(result))
    raise typer.Exit(DONE if result.agrees else GATE)


def _show(result: MatrixResult) -> None:
    for change in result.changes:
        typer.echo(str(change))
    if result.written:
        say(f"written to {result.lock}: {result.objects} objects")
    elif result.agrees:
        say(f"{result.lock} agrees: {result.objects} objects")
    elif not result.accepted:
        widened = sum(change.effect == "widened" for change in result.changes)
        say(f"a role may do more than {result.lock} says, in {widened} places")
        say("  fix: take it back, or accept it with --write --accept-widening")
    else:
        say(f"{result.lock} is stale: nobody may do more than it says, or it is not there yet")
        say("  fix: the same command with --write")
