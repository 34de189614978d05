"""Payloads by chance, the short form; and the answers that are told from good ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import httpx
import pytest

from tests.reliability import inputs
from tests.reliability.inputs import Trial
from tests.reliability.payloads import Drawn, Payloads
from tests.reliability.proof import Run


def test_no_payload_breaks_changes_or_tells_anything(tmp_path: Path) -> None:
    run = Run("inputs", 1, "short", tmp_path)
    inputs.run(run)
    assert run.ok, [check for check in run.checks if not check.ok]


def test_a_payload_that_is_accepted_and_changes_something_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "TOTAL", {"short": 8})
    monkeypatch.setattr(inputs, "BATCH", {"short": 4})
    monkeypatch.setattr(Payloads, "refused", lambda self, _: _good(self))
    monkeypatch.setattr(Payloads, "wild", lambda self, _: _good(self))
    run = Run("inputs", 1, "short", tmp_path)
    inputs.run(run)
    failed = {check.name for check in run.checks if not check.ok}
    assert failed == {"refused, and yet something changed", "accepted, and had to be refused"}
    assert (tmp_path / "findings.json").exists()


def _good(payloads: Payloads) -> Drawn:
    body = json.dumps(payloads.good["transfer"]).encode()
    headers = {"content-type": "application/json", **payloads.callers["alice"]}
    return Drawn("POST", "/rpc/transfer", body, headers, "alice")


ALICES, TRUDYS = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
REFUSED = {"code": "invalid_argument", "details": None, "hint": None, "message": "x"}


def judged(status: int, body: object, *, refused: bool = False, path: str = "/rpc/x") -> Trial:
    """A trial that has seen one answer, to a request that names alice's id."""
    secrets = {TRUDYS, "zirconium"}
    trial = Trial("", cast(Payloads, None), lambda _: secrets, {"busy"})
    drawn = Drawn("POST", path, ALICES.encode(), {}, "alice")
    trial.look(drawn, httpx.Response(status, json=body), refused=refused)
    return trial


def test_an_answer_that_must_not_be_is_told() -> None:
    assert judged(500, REFUSED).broken
    assert judged(503, REFUSED).broken
    assert judged(200, [], refused=True).accepted
    assert judged(400, {"message": "Invalid HTTP request"}).formless
    for words in (f"no {TRUDYS.upper()}", "Zirconium"):
        assert judged(404, {**REFUSED, "message": words}).leaks
    assert judged(200, [{"id": TRUDYS}]).leaks
    assert judged(400, {**REFUSED, "hint": "at ledger_private.transfer"}).inside


def test_an_answer_that_may_be_is_not() -> None:
    fine = (
        judged(503, {**REFUSED, "code": "busy"}, refused=True),
        judged(501, {**REFUSED, "code": "PGRST501"}),
        judged(200, [{"id": ALICES}]),
        judged(422, REFUSED, refused=True),
        # What the caller has said herself.
        judged(404, {**REFUSED, "message": TRUDYS}, path=f"/rpc/x?id={TRUDYS}"),
        judged(406, {**REFUSED, "message": "no ledger_private"}, path="/ledger_private"),
    )
    for trial in fine:
        found = (trial.broken, trial.accepted, trial.leaks, trial.formless, [*trial.inside])
        assert found == ([], [], [], [], []), found
