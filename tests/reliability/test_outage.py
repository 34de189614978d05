"""The client in an outage; and a client that would do worse is told from it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.reliability import outage, virtual
from tests.reliability.outage import Outage
from tests.reliability.proof import Run
from tests.world import Row
from tillroll._async._http import AsyncHttp
from tillroll.retry import Budget, Outcome
from tillroll.transports import postgrest


def test_in_an_outage_retries_add_a_tenth_and_nothing_happens_twice(tmp_path: Path) -> None:
    run = Run("outage", 1, "short", tmp_path)
    outage.run(run)
    assert run.ok, run.checks


def no_budget(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Budget, "withdraw", lambda _: True)


def careless(patch: pytest.MonkeyPatch) -> None:
    """No answer is taken for a refusal."""
    patch.setattr(postgrest, "classify", lambda *_: Outcome.NOT_EXECUTED)


def new_keys(patch: pytest.MonkeyPatch) -> None:
    """Each attempt of a posting gets a key of its own."""
    call = AsyncHttp.call

    async def renamed(http: AsyncHttp, function: str, given: Row, *, timeout: float) -> list[Row]:
        key = {"idempotency_key": str(uuid.uuid4())} if "idempotency_key" in given else {}
        return await call(http, function, {**given, **key}, timeout=timeout)

    patch.setattr(AsyncHttp, "call", renamed)


@pytest.mark.parametrize(
    ("worse", "rate", "failing"),
    [
        (no_budget, 0.05, {"requests a call", "requests of all"}),
        (careless, 0.2, {"without a key", "said not to have happened"}),
        (new_keys, 0.1, {"under two keys"}),
    ],
)
def test_a_worse_client_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    worse: Callable[[pytest.MonkeyPatch], None],
    rate: float,
    failing: set[str],
) -> None:
    worse(monkeypatch)
    run = Run("outage", 1, "short", tmp_path)
    simulated = Outage("503 PGRST001", 2, rate, Random(1))
    virtual.run(simulated.run())
    outage.judge(run, [simulated])
    failed = [check.name for check in run.checks if not check.ok]
    assert len(failed) == len(failing)
    assert all(any(words in name for name in failed) for words in failing)


def test_virtual_time_passes_in_order_and_at_once() -> None:
    woken: dict[str, float] = {}

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken[name] = asyncio.get_running_loop().time()

    async def all_of_them() -> None:
        await asyncio.gather(sleeper("late", 86_400), sleeper("early", 60))

    virtual.run(all_of_them())
    assert list(woken) == ["early", "late"]
    assert woken == {"early": pytest.approx(60), "late": pytest.approx(86_400)}
