from __future__ import annotations

from pathlib import Path

from tests.reliability import storm
from tests.reliability.proof import Run


def test_of_many_senders_one_posts_and_each_request_is_executed_once(tmp_path: Path) -> None:
    run = Run("storm", 1, "short", tmp_path)
    storm.run(run)
    print(*run.checks, run.figures, sep="\n")
    assert run.ok
