"""The short form of `spends`."""

from __future__ import annotations

from pathlib import Path

from tests.reliability import spends
from tests.reliability.proof import Run


def test_money_for_one_is_spent_once_in_every_way(tmp_path: Path) -> None:
    run = Run("spends", 1, "short", tmp_path)
    spends.run(run)
    assert run.ok, run.checks
