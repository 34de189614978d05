"""The short form of `interleavings`."""

from __future__ import annotations

from pathlib import Path

from tests.reliability import interleavings
from tests.reliability.proof import Run


def test_two_calls_in_any_order_end_as_one_after_the_other(tmp_path: Path) -> None:
    run = Run("interleavings", 1, "short", tmp_path)
    interleavings.run(run)
    assert run.ok, run.checks
