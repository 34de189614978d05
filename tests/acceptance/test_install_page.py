"""The page on `tillroll install`, typed in a project that has a migration."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from tests.conftest import ROOT, Database
from tests.documents import typed

PAGE = ROOT / "docs" / "how-to" / "install-tillroll-into-a-project.md"


def test_what_is_typed_prints_what_stands_under_it(bare: Database, tmp_path: Path) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / "20260301120000_notes.sql").write_text("create table public.notes (body text);\n")
    (tmp_path / "supabase" / "config.toml").touch()
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "DATABASE_URL": bare.dsn(),
    }
    for printed, said in typed(PAGE, environment, tmp_path):
        assert undated(said) == undated(printed)


def undated(text: str) -> str:
    """Without the versions, which are of the moment."""
    return re.sub(r"\d{14}", "VERSION", text)
