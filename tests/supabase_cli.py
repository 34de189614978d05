"""The real Supabase CLI, on a database of a test."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.conftest import NPM, ROOT, Database, missing


def supabase(database: Database, project: Path, *command: str) -> str:
    """Run a command of the CLI on a database, as `postgres`; return what it prints."""
    program = NPM / ".bin" / "supabase"
    if not program.exists() or shutil.which("node") is None:
        missing("the Supabase CLI")
    shutil.copy(ROOT / "supabase/config.toml", project / "supabase/config.toml")
    remote = database.dsn() + "?sslmode=disable"
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [str(program), *command, f"--workdir={project}", f"--remote={remote}", "--yes"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(project),
            "SUPABASE_TELEMETRY_DISABLED": "1",
            "DO_NOT_TRACK": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
