"""The short form of `disk`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability import disk
from tests.reliability.proof import Run


def test_a_disk_that_fills_up_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    run = Run("disk", 1, "short", tmp_path)
    disk.run(run)
    assert run.ok, run.checks
    if not run.figures:  # not even with CI=true a failure: who may mount is not ours to say
        pytest.skip(run.events[-1].what)
