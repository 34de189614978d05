"""The short form of `nemesis`."""

from __future__ import annotations

from pathlib import Path

from tests.reliability import nemesis
from tests.reliability.proof import Run


def test_no_kind_of_fault_loses_doubles_or_halves_a_transfer(tmp_path: Path) -> None:
    run = Run("nemesis", 1, "short", tmp_path)
    nemesis.run(run)
    assert run.ok, run.checks
