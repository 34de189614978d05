"""Commands that write and prove migrations: `new`, `generate`, `check`."""

from __future__ import annotations

from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    GATE,
    Dir,
    DryRun,
    Platform,
    ShadowUrl,
    SourceDirs,
    folder_of,
    sources_of,
    translate,
    warn_ignored,
)
from tillroll.cli.output import DONE, Json, emit, failures, say
from tillroll.migrate import (
    CheckResult,
    GenerateResult,
    NewFile,
    UsageError,
    check,
    generate,
    new,
)

__all__ = ["check_", "generate_", "new_"]


def new_(
    slug: Annotated[str, typer.Argument(help="Its name: lower case, digits, _ and -.")],
    from_sources: Annotated[
        bool, typer.Option("--from-sources", help="Compile the first one from the sources.")
    ] = False,
    directory: Dir = None,
    sources: SourceDirs = None,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Write the next migration's file: an empty draft, or the first one from the sources."""
    with failures(as_json, translate):
        wanted = sources_of(sources, platform) if from_sources else None
        path = new(folder_of(directory), slug, sources=wanted, db_url=shadow_url)
        emit(NewFile(str(path)), as_json, lambda: typer.echo(path))


def generate_(
    slug: Annotated[str, typer.Argument(help="Its name: lower case, digits, _ and -.")],
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="A table, view, type, function or column that has a new name, as "
            "schema.name or schema.table.column; repeatable.",
        ),
    ] = None,
    allow_drop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="What may be dropped, as the refusal names it; repeatable."
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Write it even where it leaves differences.")
    ] = False,
    dry_run: DryRun = False,
    directory: Dir = None,
    sources: SourceDirs = None,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Write the migration from changed sources, proven; exit 10 where none would be complete."""
    with failures(as_json, translate):
        result = generate(
            sources_of(sources, platform),
            folder_of(directory),
            slug,
            renames=dict(map(_pair, rename or ())),
            allow_drop=allow_drop or (),
            partial=partial,
            dry_run=dry_run,
            db_url=shadow_url,
            tell=say,
        )
        emit(result, as_json, lambda: _show_draft(result, dry_run))
    raise typer.Exit(GATE if result.unsettled and result.path is None else DONE)


def check_(
    directory: Dir = None,
    sources: SourceDirs = None,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Prove that the migrations make what the sources say; exit 10 where they do not."""
    with failures(as_json, translate):
        result = check(
            sources_of(sources, platform), folder_of(directory), db_url=shadow_url, tell=say
        )
        warn_ignored(result.ignored)
        emit(result, as_json, lambda: _show(result))
    raise typer.Exit(DONE if result.equal else GATE)


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise UsageError(f"--rename {text}: write it like app.old=new")
    return old, new


def _show_draft(result: GenerateResult, dry_run: bool) -> None:
    if dry_run:
        typer.echo(result.sql, nl=False)
    elif result.path is not None:
        typer.echo(result.path)
    for each in result.unsettled:
        say(f"{each.side}: {each.kind} {each.identity}: {each.why}")
    if not result.sql:
        say("nothing to generate")
    elif result.unsettled and result.path is None:
        say("nothing was written: the draft would leave these differences")
        say("  fix: solve them in the sources, or see it with --dry-run and take it with --partial")


def _show(result: CheckResult) -> None:
    for difference in result.differences:
        typer.echo(str(difference))
    cosmetic = sum(difference.cosmetic for difference in result.differences)
    told = f", {cosmetic} of them differ in comments and layout only" if cosmetic else ""
    if result.equal:
        say(f"sources equal migrations: {result.facts} facts{told}")
    else:
        differing = len(result.differences)
        say(f"sources and migrations differ in {differing} of {result.facts} facts{told}")
        say("  fix: `tillroll migrate generate SLUG`, or correct the sources")
