"""The short form of `crash`."""

from __future__ import annotations

from pathlib import Path

from tests.reliability import crash
from tests.reliability.proof import Run


def test_what_was_acknowledged_outlives_kills_of_the_server(tmp_path: Path) -> None:
    run = Run("crash", 1, "short", tmp_path)
    crash.run(run)
    assert run.ok, run.checks
