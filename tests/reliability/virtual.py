"""Hours in seconds: an event loop whose time passes only when every task waits for it."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from tillroll.retry import Clock

Result = TypeVar("Result")


class _Leap(selectors.DefaultSelector):
    """Waits for nothing: what it is told to wait it adds to the time."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "every task waits, and none of them for time"
        self.now += max(0.0, timeout)
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        return self._leap.now


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine, and everything it starts, in virtual time."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


class LoopClock(Clock):
    """The retries' clock in that time, with seeded chance."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def random(self) -> float:
        return self._dice.random()
