"""The short form of `deploy`."""

from __future__ import annotations

from pathlib import Path

from tests.reliability import deploy
from tests.reliability.proof import Run


def test_a_migration_under_load_loses_nothing_and_replays_what_was_before_it(
    tmp_path: Path,
) -> None:
    run = Run("deploy", 1, "short", tmp_path)
    deploy.run(run)
    assert run.ok, run.checks
