"""The page on reviewing a function's change, typed in an empty folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.conftest import ROOT, Cluster
from tests.documents import typed

PAGE = ROOT / "docs" / "how-to" / "review-a-function-change.md"


def test_what_is_typed_prints_what_stands_under_it(newest: Cluster, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_COLOR": "1",
        "TILLROLL_SHADOW_URL": newest.server.dsn(),
    }
    for printed, said in typed(PAGE, environment, tmp_path):
        assert said == printed
