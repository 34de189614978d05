"""The page on indexes of big tables, typed in an empty folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.conftest import ROOT, Database
from tests.documents import typed

PAGE = ROOT / "docs" / "how-to" / "add-an-index-to-a-big-table.md"


def test_what_is_typed_prints_what_stands_under_it(bare: Database, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "TILLROLL_DB_URL": bare.dsn(),
        "TILLROLL_SHADOW_URL": bare.server.dsn(),
    }
    for printed, said in typed(PAGE, environment, tmp_path, talk=True):
        assert said == printed
