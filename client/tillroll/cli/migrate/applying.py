"""Commands that read or move the state of a database: `status`, `up`."""

from __future__ import annotations

from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    DIVERGENT,
    PENDING,
    AppliedDir,
    DbUrl,
    Yes,
    applied_folder,
    confirm,
    target,
    translate,
    warn_ignored,
)
from tillroll.cli.output import DONE, Json, emit, failures, say, write_table
from tillroll.migrate import AppliedFile, Runner

__all__ = ["status", "up"]


def up(
    db_url: DbUrl = None,
    directory: AppliedDir = None,
    yes: Yes = False,
    wait: Annotated[float, typer.Option(help="Seconds that a file may wait for locks.")] = 60,
    as_json: Json = False,
) -> None:
    """Apply the pending migrations, each file as a whole or not at all."""
    with failures(as_json, translate):
        dsn, folder = target(db_url), applied_folder(directory)
        confirm(dsn, folder, yes)
        result = Runner(dsn, folder, wait=wait).up(_announce)
        warn_ignored(result.ignored)
        if result.superuser:
            say(
                "warning: this role is a superuser, and owns what it made: functions with "
                "`security definer` run with its rights\n"
                "  fix: on a database that is kept, connect as the owner instead (`postgres` on "
                "Supabase, OWNER_URL of `tillroll status --env` here)"
            )
        emit(
            {
                "applied": result.applied,
                "ignored": result.ignored,
                "superuser": result.superuser,
            },
            as_json,
            lambda: say(f"{len(result.applied)} applied" if result.applied else "nothing pending"),
        )


def status(db_url: DbUrl = None, directory: AppliedDir = None, as_json: Json = False) -> None:
    """List the migrations and where each stands; exit 3 where some are pending."""
    with failures(as_json, translate):
        found = Runner(target(db_url), applied_folder(directory)).status()
        warn_ignored(found.ignored)
        rows = [(file.version, file.name, str(file.state)) for file in found.files]
        rows += [(version, "", "remote_only") for version in found.remote_only]
        emit(
            found.as_dict(),
            as_json,
            lambda: write_table(("version", "name", "state"), sorted(rows)),
        )
        code = DIVERGENT if found.divergent else PENDING if found.pending else DONE
    raise typer.Exit(code)


def _announce(file: AppliedFile) -> None:
    say(f"applied {file.version}_{file.name}.sql: {file.statements} statements")
