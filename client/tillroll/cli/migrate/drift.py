"""`drift`: whether a database is still what its migrations make."""

from __future__ import annotations

from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    DRIFT,
    AppliedDir,
    DbUrl,
    Platform,
    ShadowUrl,
    applied_folder,
    platform_of,
    target,
    translate,
)
from tillroll.cli.output import DONE, Json, emit, failures, say
from tillroll.migrate import Drift, UsageError, drift, drift_since_last_up

__all__ = ["drift_"]


def drift_(
    db_url: DbUrl = None,
    directory: AppliedDir = None,
    schema: Annotated[
        list[str] | None, typer.Option(help="Look at this schema only; repeatable.")
    ] = None,
    through: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="Take the files up to this version as applied, without a look at the history.",
        ),
    ] = None,
    since_last_up: Annotated[
        bool,
        typer.Option(
            "--since-last-up",
            help="Only tell whether something changed since `up` ran; needs no shadow.",
        ),
    ] = False,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Compare a database with what its migrations make; exit 4 where it is something else.

    The files that the history names are run on a shadow, and its catalog is compared with the
    database's, which is only read. What Supabase owns does not count, but what the migrations make
    there does. Differences in comments and layout of functions are told, and exit 0.
    """
    with failures(as_json, translate):
        if since_last_up and (schema or through):
            raise UsageError(
                "--since-last-up has one fingerprint of everything: leave out the rest"
            )
        dsn = target(db_url)
        if since_last_up:
            found = drift_since_last_up(dsn)
        else:
            found = drift(
                dsn,
                applied_folder(directory),
                platform=platform_of(platform),
                shadow_url=shadow_url,
                schemas=schema or (),
                through=through,
            )
        if found.shadow_major not in (None, found.live_major):
            say(
                f"warning: the database is on Postgres {found.live_major}, the shadow on "
                f"{found.shadow_major}: what only one of them can say was left out, and a "
                "difference may be of spelling\n  fix: name a server of that version with "
                "--shadow-url"
            )
        emit(found, as_json, lambda: _show(found))
    raise typer.Exit(DRIFT if found.drifted else DONE)


def _show(found: Drift) -> None:
    for difference in found.differences:
        typer.echo(str(difference))
    if not found.drifted:
        say("no drift" if found.since is None else f"no drift since {found.since} was applied")
    elif found.since is not None:
        say(f"something changed since {found.since} was applied")
        say("  fix: see what, with `tillroll migrate drift`")
    else:
        count = sum(not each.cosmetic for each in found.differences)
        say(f"the database differs from its migrations in {count} facts")
        say("  fix: write a migration that makes the change, or undo it")
        if any(each.kind == "default privileges" for each in found.differences):
            say(
                "  where the platform made these default privileges: make them in a file of "
                "--platform too"
            )
