"""The short form of `bank`."""

from __future__ import annotations

from pathlib import Path

from tests.reliability import bank
from tests.reliability.proof import Run


def test_whoever_counts_the_money_finds_all_of_it(tmp_path: Path) -> None:
    run = Run("bank", 1, "short", tmp_path)
    bank.run(run)
    assert run.ok, run.checks
