from __future__ import annotations

from pathlib import Path

from tests.reliability import unknown
from tests.reliability.proof import Run


def test_what_was_cut_after_its_commit_happened_once_and_is_told_again(tmp_path: Path) -> None:
    run = Run("unknown", 1, "short", tmp_path)
    unknown.run(run)
    print(*run.checks, run.figures, sep="\n")
    assert run.ok
