"""The short form of `pooler`."""

from __future__ import annotations

from pathlib import Path

from tests.reliability import pooler
from tests.reliability.proof import Run


def test_behind_a_transaction_pooler_clients_lose_nothing_and_a_gateway_needs_sessions(
    tmp_path: Path,
) -> None:
    run = Run("pooler", 1, "short", tmp_path)
    pooler.run(run)
    assert run.ok, run.checks
