"""The short form of `crash`, and that it would notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability import crash
from tests.reliability.proof import Run


def test_what_was_acknowledged_outlives_kills_of_the_server(tmp_path: Path) -> None:
    run = Run("crash", 1, "short", tmp_path)
    crash.run(run)
    assert run.ok, run.checks


def test_what_is_acknowledged_before_it_is_written_is_found_to_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash, "SETTINGS", {**crash.SETTINGS, "synchronous_commit": "off"})
    monkeypatch.setattr(crash, "SHORT_KILLS", 2)
    run = Run("crash", 1, "short", tmp_path)
    crash.run(run)
    failed = {check.name for check in run.checks if not check.ok}
    assert {"acknowledged but lost", "acknowledged but lost, after each kill"} <= failed
