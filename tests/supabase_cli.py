"""The real Supabase CLI, on a database of a test."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.conftest import NPM, ROOT, Database, missing

__all__ = ["run", "start", "supabase"]


def supabase(database: Database, project: Path, *command: str) -> str:
    """Run a command of the CLI on a database, as `postgres`; return what it prints."""
    done = run(database, project, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(database: Database, project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """The same for a command that may fail."""
    process = start(database, project, *command)
    try:
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def start(database: Database, project: Path, *command: str) -> subprocess.Popen[str]:
    """Start a command of the CLI."""
    program = NPM / ".bin" / "supabase"
    if not program.exists() or shutil.which("node") is None:
        missing("the Supabase CLI")
    if not (project / "supabase/config.toml").exists():
        shutil.copy(ROOT / "supabase/config.toml", project / "supabase/config.toml")
    remote = database.dsn() + "?sslmode=disable"
    return subprocess.Popen(
        [str(program), *command, f"--workdir={project}", f"--remote={remote}", "--yes"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(project),
            "SUPABASE_TELEMETRY_DISABLED": "1",
            "DO_NOT_TRACK": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
