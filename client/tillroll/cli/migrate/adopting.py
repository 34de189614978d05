"""`adopt`: take over a database that others have made."""

from __future__ import annotations

from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    DRIFT,
    DbUrl,
    Dir,
    DryRun,
    HistoryWait,
    Platform,
    ShadowUrl,
    Yes,
    confirm,
    folder_of,
    platform_of,
    target,
    translate,
)
from tillroll.cli.output import DONE, Json, emit, failures, say
from tillroll.migrate import Adoption, adopt

__all__ = ["adopt_"]


def adopt_(
    db_url: DbUrl = None,
    directory: Dir = None,
    through: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Take every file up to this version as applied, although no history says so.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="For a database without a history and a folder without migrations: write the "
            "first one, of this name, from what the database holds.",
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: HistoryWait = 60,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Prove that files make what a database is, and write down that they are applied there.

    Without an option: those that the Supabase CLI's history names. The files are run on a shadow
    and its catalog is compared with the database's; exit 4, and nothing is written, where they
    differ.
    """
    with failures(as_json, translate):
        dsn, folder = target(db_url), folder_of(directory)
        if not dry_run:
            confirm(dsn, folder, yes, "Write the history of migrations on another machine?")
        made = adopt(
            dsn,
            folder,
            platform=platform_of(platform),
            shadow_url=shadow_url,
            through=through,
            baseline=baseline,
            dry_run=dry_run,
            wait=wait,
        )
        emit(made, as_json, lambda: _show(made, baseline is not None))
    raise typer.Exit(DONE if made.proven else DRIFT)


def _show(made: Adoption, baseline: bool) -> None:
    for difference in made.drift:
        typer.echo(str(difference))
    if not made.proven and baseline:
        say("a baseline cannot make all that the database is, so nothing was written")
        say(
            "  fix: make what the platform or the server brings (a setting, a subscription, what "
            "another role owns) in a file of --platform; take the rest away, adopt, and make it "
            "again in a migration"
        )
        return
    if not made.proven:
        say("the database is not what these files make, so nothing was written")
        say("  fix: write a migration for what differs, or correct the database; then adopt again")
        return
    if made.baseline:
        typer.echo(made.baseline)
    say(f"{len(made.known)} files of the history taken over, {len(made.marked)} marked as applied")
    if made.dry_run:
        say("nothing was written: this was a dry run")
