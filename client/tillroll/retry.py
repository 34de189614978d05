"""When to try again: classes of failure, back-off, a budget, a deadline. No I/O.

Whether a call may be repeated hangs on what a failure says about it:

    not executed   nobody took it                     repeat
    aborted        it ran and was rolled back         repeat, with the same key
    unknown        no answer: it may have happened    repeat only what cannot happen twice
    final          a definite answer                  never
"""

from __future__ import annotations

import asyncio
import enum
import os
import random
import re
import threading
import time
import uuid
from dataclasses import dataclass, field

__all__ = ["Attempts", "Budget", "Clock", "Outcome", "RetryPolicy", "classify", "uuid7"]


class Outcome(enum.Enum):
    """What a failure says about the call."""

    NOT_EXECUTED = "not executed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"
    FINAL = "final"


_NOT_EXECUTED = re.compile(r"PGRST00[023]|53...|57P03")
_ABORTED = re.compile(r"40001|40P01|55P03|57014|busy|serialization_conflict")
_UNKNOWN = re.compile(r"PGRST001|08...|57P0[12]|40003")
_DEFINITE = re.compile(r"PGRST\d\d\d|[0-9A-Z]{5}")


def classify(code: str | None, status: int | None = None) -> Outcome:
    """Return what an error answer says about the call; the code decides before the status.

    Args:
        code: A SQLSTATE, PostgREST's or the ledger's code; None for an answer that has none.
        status: The HTTP status; None over a direct connection.
    """
    code = code or ""
    for pattern, outcome in (
        (_NOT_EXECUTED, Outcome.NOT_EXECUTED),
        (_ABORTED, Outcome.ABORTED),
        (_UNKNOWN, Outcome.UNKNOWN),
    ):
        if pattern.fullmatch(code):
            return outcome
    if status == 429:
        return Outcome.NOT_EXECUTED
    # A gateway between here and PostgREST: it does not know what became of the request.
    if status is not None and status >= 500 and not _DEFINITE.fullmatch(code):
        return Outcome.UNKNOWN
    return Outcome.FINAL


class Clock:
    """Time and chance as the retries see them; tests put another in its place."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def random(self) -> float:
        """A number from 0 to below 1."""
        return random.random()

    def sleep(self, seconds: float) -> None:
        """Wait, in a thread."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait, in a task."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How hard to try. Times are in seconds.

    Args:
        max_attempts: Of one call, the first included; 1 switches retries off.
        base_delay: The wait before the n-th retry is a random part of base_delay * 2**(n-1).
        max_delay: The bound of that.
        deadline: Of one call with all its retries.
        budget_ratio: Extra load that retries may be in the long run: 0.1 is one retry in ten calls.
        budget_burst: Retries that may come at once.
    """

    max_attempts: int = 8
    base_delay: float = 0.05
    max_delay: float = 5.0
    deadline: float = 30.0
    budget_ratio: float = 0.1
    budget_burst: int = 10
    clock: Clock = field(default_factory=Clock)


class Budget:
    """A bucket of retries, shared by all calls of a client.

    It begins full, and the first calls pay for that: of n calls never more than
    max(burst, ratio * n) are repeated.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._ratio = policy.budget_ratio
        self._burst = float(policy.budget_burst)
        self._tokens = self._owed = self._burst
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """Count a call."""
        with self._lock:
            self._owed -= self._ratio
            if self._owed < 0:
                self._tokens = min(self._burst, self._tokens - self._owed)
                self._owed = 0.0

    def withdraw(self) -> bool:
        """Take one retry, or say that there is none left."""
        with self._lock:
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens -= 1
            return True


class Attempts:
    """The attempts of one call.

    Args:
        repeatable: Executing it twice is the same as once: a read, or a write with a key.
    """

    def __init__(self, policy: RetryPolicy, budget: Budget, *, repeatable: bool) -> None:
        self.count = 1
        self.maybe_executed = False
        self._policy, self._budget, self._repeatable = policy, budget, repeatable
        self._ends = policy.clock.monotonic() + policy.deadline
        budget.deposit()

    def remaining(self) -> float:
        """Seconds to the deadline."""
        return max(0.0, self._ends - self._policy.clock.monotonic())

    def delay(
        self, outcome: Outcome, *, slow: bool = False, retry_after: float | None = None
    ) -> float | None:
        """Return the seconds to wait before the next attempt; None: there is none.

        Args:
            outcome: What the failure said.
            slow: Wait longer: it ran into its time limit.
            retry_after: What the server asked to wait at least, in seconds.
        """
        policy = self._policy
        self.maybe_executed |= outcome is Outcome.UNKNOWN
        if outcome is Outcome.FINAL or self.count >= policy.max_attempts:
            return None
        if outcome is Outcome.UNKNOWN and not self._repeatable:
            return None
        bound: float = policy.base_delay * 2 ** (self.count - 1) * (8 if slow else 1)
        wait = policy.clock.random() * min(bound, policy.max_delay) + (retry_after or 0.0)
        if wait >= self.remaining() or not self._budget.withdraw():
            return None
        self.count += 1
        return wait


def uuid7() -> uuid.UUID:
    """Return a time-ordered UUID: as a key it keeps the index that holds it warm."""
    milliseconds = time.time_ns() // 1_000_000
    chance = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | chance
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
