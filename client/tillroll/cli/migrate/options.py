"""What the commands share: which database, which folder, which sources, what an error becomes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tillroll.assets import asset
from tillroll.cli.output import Failure, say, visible
from tillroll.migrate import MigrateError, Sources, UsageError, find_root, is_loopback

__all__ = [
    "DIVERGENT",
    "DRIFT",
    "GATE",
    "PENDING",
    "AppliedDir",
    "DbUrl",
    "Dir",
    "DryRun",
    "HistoryWait",
    "LockTimeout",
    "Platform",
    "ShadowUrl",
    "SourceDirs",
    "Wait",
    "WriteLock",
    "Yes",
    "applied_folder",
    "confirm",
    "folder_of",
    "platform_of",
    "project_root",
    "sources_of",
    "target",
    "translate",
    "warn_ignored",
]

PENDING, DRIFT, DIVERGENT, GATE = 3, 4, 9, 10
LOCAL = "postgresql://postgres:postgres@127.0.0.1:54322/postgres"  # `supabase start`
_BRIEFEST = 0.001  # seconds; what the server rounds to 0 means for ever there
_LONGEST = 2_147_483  # seconds; in milliseconds the server takes no more


def _from(least: float) -> Callable[[float], float]:
    def check(seconds: float) -> float:
        if not least <= seconds <= _LONGEST:  # nor is it where it is no number
            raise typer.BadParameter(f"{seconds} is not between {least} and {_LONGEST} seconds")
        return seconds

    return check


DbUrl = Annotated[
    str | None,
    typer.Option("--db-url", help="The database; else $TILLROLL_DB_URL, else port 54322 here."),
]
ShadowUrl = Annotated[
    str | None,
    typer.Option(
        "--shadow-url",
        envvar="TILLROLL_SHADOW_URL",
        help="A superuser's URL of a server to make throw-away databases on; else one is started.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would happen; nothing is written.")
]
HistoryWait = Annotated[
    float,
    typer.Option("--wait", min=0, help="Seconds to wait for others who work on the history."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
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
Wait = Annotated[
    float, typer.Option(callback=_from(0), help="Seconds that a file may wait for locks, in all.")
]
LockTimeout = Annotated[
    float,
    typer.Option(
        callback=_from(_BRIEFEST),
        help="Seconds that a statement may wait for a lock before it gives way and the file is "
        "tried again: readers that queue behind it wait no longer than that.",
    ),
]


WriteLock = Annotated[
    bool, typer.Option("--write", help="Write the lock file; else nothing is written.")
]


def warn_ignored(ignored: tuple[str, ...]) -> None:
    """Tell of .sql files that are no migrations."""
    for name in ignored:
        say(f"ignored {visible(name)}: its name is not <14 digits>_<name>.sql")


def target(given: str | None) -> str:
    """Return the URL of the database: the flag's, else the environment's, else the local one."""
    named = given or os.environ.get("TILLROLL_DB_URL")
    if not named:
        say("no --db-url, no TILLROLL_DB_URL: taking the database of `supabase start`, port 54322")
    return named or LOCAL


def project_root() -> Path:
    """Return the folder that holds `supabase/`, else the current one."""
    return find_root(Path.cwd()) or Path.cwd()


def folder_of(given: Path | None) -> Path:
    """Return the project's migrations."""
    return given or project_root() / "supabase" / "migrations"


def applied_folder(given: Path | None) -> Path:
    """Return the project's migrations; outside of any project those that ship with Tillroll."""
    if given or find_root(Path.cwd()):
        return folder_of(given)
    shipped = asset("supabase/migrations")
    say(f"no project here, so these are Tillroll's own migrations: {shipped}")
    return shipped


def platform_of(given: Path | None) -> Path:
    """Return what stands before any migration: the flag's, the project's, the shipped one."""
    own = project_root() / "sql" / "platform"
    return given or (own if own.is_dir() else asset("sql/platform"))


def sources_of(folders: list[Path] | None, platform: Path | None) -> Sources:
    """Return the project's sources."""
    root = project_root()
    return Sources(
        root, tuple(folders or (root / "sql", root / "functions")), platform_of(platform)
    )


def confirm(dsn: str, folder: Path, yes: bool, question: str = "") -> None:
    """Ask before another machine is written to.

    Args:
        question: What to ask; else whether the migrations of the folder shall be applied.

    Raises:
        UsageError: Nobody is here to ask, or the answer was no.
    """
    if yes or is_loopback(dsn):
        return
    if not interactive():
        raise UsageError("the database is on another machine, and nobody is here to ask: add --yes")
    asked = question or f"Apply the migrations of {folder} to another machine?"
    if not typer.confirm(asked, err=True):
        raise UsageError("nothing was applied")


def interactive() -> bool:
    """Whether somebody is here to ask."""
    return sys.stdin.isatty()


def translate(error: Exception) -> Failure | None:
    """Return the Failure of what the runner raises."""
    if not isinstance(error, MigrateError):
        return None
    return Failure(
        str(error),
        code=error.code,
        exit_code=error.exit_code,
        facts=error.details(),
        lines=True,
    )
