"""The how-to pages on migrations, each typed in an empty folder, on an empty database."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Database
from tests.documents import typed

TYPED = (
    "add-an-index-to-a-big-table",
    "adopt-a-database",
    "check-migrations-in-ci",
    "generate-a-migration",
    "recover-from-a-failed-file",
)


@pytest.mark.parametrize("name", TYPED)
def test_what_is_typed_prints_what_stands_under_it(
    bare: Database, tmp_path: Path, name: str
) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "TILLROLL_DB_URL": bare.dsn(),
        "TILLROLL_SHADOW_URL": bare.server.dsn(),
    }
    page = ROOT / "docs" / "how-to" / f"{name}.md"
    for printed, said in typed(page, environment, tmp_path, talk=True):
        assert said == printed
