"""`tillroll migrate`: the migrations of any Supabase project."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from tillroll.assets import asset
from tillroll.cli.output import DONE, Failure, Json, emit, failures, say, write_table
from tillroll.migrate import (
    AppliedFile,
    CheckResult,
    MigrateError,
    Runner,
    Sources,
    UsageError,
    check,
    find_root,
    is_loopback,
    new,
)

__all__ = ["app"]

PENDING, DIVERGENT, GATE = 3, 9, 10
LOCAL = "postgresql://postgres:postgres@127.0.0.1:54322/postgres"  # `supabase start`

app = typer.Typer(
    name="migrate",
    help="Apply, list, write and check the migrations of a Supabase project.",
    no_args_is_help=True,
    epilog="Exit: 0 done, 2 usage, 3 pending, 5 connection or pooler, 6 lock contention, "
    "7 failed and rolled back, 9 history divergent, 10 sources and migrations differ.",
)

DbUrl = Annotated[
    str | None,
    typer.Option("--db-url", help="The database; else $TILLROLL_DB_URL, else port 54322 here."),
]
ShadowUrl = Annotated[
    str | None,
    typer.Option(
        "--db-url",
        help="A superuser's URL of a server to make throw-away databases on; else one is started.",
    ),
]
Dir = Annotated[
    Path | None, typer.Option("--dir", help="The migrations; supabase/migrations of the project.")
]
AppliedDir = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        help="The migrations; supabase/migrations of the project, outside of one Tillroll's own.",
    ),
]
SourceDirs = Annotated[
    list[Path] | None,
    typer.Option("--sources", help="A folder of sources, repeatable; sql and functions."),
]
Platform = Annotated[
    Path | None,
    typer.Option("--platform", help="What is there before any migration; sql/platform."),
]


@app.command()
def up(
    db_url: DbUrl = None,
    directory: AppliedDir = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds that a file may wait for locks.")] = 60,
    as_json: Json = False,
) -> None:
    """Apply the pending migrations, each file as a whole or not at all."""
    with failures(as_json, _translate):
        dsn, folder = _dsn(db_url), _applied(directory)
        _confirm(dsn, folder, yes)
        result = Runner(dsn, folder, wait=wait).up(_announce)
        _warn(result.ignored)
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


@app.command()
def status(db_url: DbUrl = None, directory: AppliedDir = None, as_json: Json = False) -> None:
    """List the migrations and where each stands; exit 3 where some are pending."""
    with failures(as_json, _translate):
        found = Runner(_dsn(db_url), _applied(directory)).status()
        _warn(found.ignored)
        rows = [(file.version, file.name, str(file.state)) for file in found.files]
        rows += [(version, "", "remote_only") for version in found.remote_only]
        emit(
            found.as_dict(),
            as_json,
            lambda: write_table(("version", "name", "state"), sorted(rows)),
        )
        code = DIVERGENT if found.divergent else PENDING if found.pending else DONE
    raise typer.Exit(code)


@app.command(name="new")
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
    with failures(as_json, _translate):
        wanted = _sources(sources, platform) if from_sources else None
        path = new(_folder(directory), slug, sources=wanted, db_url=db_url)
        emit({"path": str(path)}, as_json, lambda: typer.echo(path))


@app.command(name="check")
def check_(
    directory: Dir = None,
    sources: SourceDirs = None,
    platform: Platform = None,
    db_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Prove that the migrations make what the sources say; exit 10 where they do not."""
    with failures(as_json, _translate):
        result = check(_sources(sources, platform), _folder(directory), db_url=db_url)
        _warn(result.ignored)
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


def _announce(file: AppliedFile) -> None:
    say(f"applied {file.version}_{file.name}.sql: {file.statements} statements")


def _warn(ignored: tuple[str, ...]) -> None:
    for name in ignored:
        say(f"ignored {name}: its name is not <14 digits>_<name>.sql")


def _dsn(given: str | None) -> str:
    named = given or os.environ.get("TILLROLL_DB_URL")
    if not named:
        say("no --db-url, no TILLROLL_DB_URL: taking the database of `supabase start`, port 54322")
    return named or LOCAL


def _root() -> Path:
    return find_root(Path.cwd()) or Path.cwd()


def _folder(given: Path | None) -> Path:
    return given or _root() / "supabase" / "migrations"


def _applied(given: Path | None) -> Path:
    """The project's migrations; outside of any project those that ship with Tillroll."""
    if given or find_root(Path.cwd()):
        return _folder(given)
    shipped = asset("supabase/migrations")
    say(f"no project here, so these are Tillroll's own migrations: {shipped}")
    return shipped


def _sources(folders: list[Path] | None, platform: Path | None) -> Sources:
    root = _root()
    if platform is None:
        platform = root / "sql" / "platform"
        if not platform.is_dir():
            platform = asset("sql/platform")
    return Sources(root, tuple(folders or (root / "sql", root / "functions")), platform)


def _confirm(dsn: str, folder: Path, yes: bool) -> None:
    if yes or is_loopback(dsn):
        return
    if not _interactive():
        raise UsageError("the database is on another machine, and nobody is here to ask: add --yes")
    if not typer.confirm(f"Apply the migrations of {folder} to another machine?", err=True):
        raise UsageError("nothing was applied")


def _interactive() -> bool:
    return sys.stdin.isatty()


def _translate(error: Exception) -> Failure | None:
    if not isinstance(error, MigrateError):
        return None
    return Failure(
        str(error),
        code=error.code,
        exit_code=error.exit_code,
        facts=error.details(),
        lines=True,
    )
