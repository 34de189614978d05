"""Alterations of a book are found, and a look that sees nothing is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability import tamper
from tests.reliability.alterations import KINDS, changed
from tests.reliability.proof import Run
from tests.reliability.tamper import Kept


def test_every_kind_of_alteration_is_found_and_nothing_else(tmp_path: Path) -> None:
    run = Run("tamper", 1, "short", tmp_path)
    tamper.run(run)
    assert run.ok, [check for check in run.checks if not check.ok]


def test_an_alteration_that_nothing_finds_fails_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = changed("transactions", "description", lambda *_: "something else")
    amount = KINDS["balance: posted"]
    monkeypatch.setattr(tamper, "KINDS", {"words": words, "balance: posted": amount})
    run = Run("tamper", 1, "short", tmp_path)
    tamper.run(run)
    assert [check.name for check in run.checks if not check.ok] == ["words"]


def test_a_false_alarm_fails_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tamper, "KINDS", {"balance: posted": KINDS["balance: posted"]})
    monkeypatch.setattr(Kept, "holds", lambda *_: False)
    run = Run("tamper", 1, "short", tmp_path)
    tamper.run(run)
    assert [check.name for check in run.checks if not check.ok] == ["false alarms"]
