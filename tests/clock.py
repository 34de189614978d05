"""Time that passes only when somebody sleeps."""

from __future__ import annotations

import random

from tillroll.retry import Clock


class VirtualClock(Clock):
    """A clock for tests: `now` is set by sleeping, chance is seeded or fixed."""

    def __init__(self, *, seed: int = 1, chance: float | None = None) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []
        self._chance = chance
        self._random = random.Random(seed)

    def monotonic(self) -> float:
        return self.now

    def random(self) -> float:
        return self._random.random() if self._chance is None else self._chance

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
