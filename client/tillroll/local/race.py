"""Sixteen clients at the same few accounts, in both directions, with doubled and refused calls."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tillroll import AsyncBook
from tillroll.local.tally import Sent, Tally
from tillroll.models import AccountId

__all__ = ["RaceResult", "plan", "race", "summarise"]

DOUBLED = 5  # every fifth call is sent twice at once
HOPELESS = 20  # every twentieth asks for more than there is


@dataclass(frozen=True)
class RaceResult:
    """What was measured. A call that is sent twice is one call, two requests.

    Attributes:
        retries: Repetitions by the clients, after a failure that allows one.
        deadlocks: Counted by the server, over its life.
        p50_ms, p99_ms: Of a request's time as its client saw it, in milliseconds.
    """

    clients: int
    calls: int
    requests: int
    accepted: int
    replays: int
    refusals: int
    retries: int
    deadlocks: int
    seconds: float
    calls_per_second: float
    p50_ms: float
    p99_ms: float


def plan(calls: int, accounts: Sequence[AccountId], funds: int, seed: int) -> list[Sent]:
    """Return the orders: pairs in both directions, amounts from small change to a fifth.

    Args:
        accounts: Those that take part, two at least.
        funds: What each holds at first, in minor units.
        seed: The same one gives the same plan.
    """
    dice = random.Random(seed)
    orders = []
    for number in range(calls):
        giver, taker = dice.sample(accounts, 2)
        amount = 1 + int(dice.random() * funds / 5)
        if number % HOPELESS == HOPELESS - 1:
            amount += funds * len(accounts)
        orders.append(Sent(f"race-{seed}-{number:06}", giver, taker, amount))
    return orders


async def race(
    books: Sequence[AsyncBook],
    orders: Sequence[Sent],
    tally: Tally,
    progress: Callable[[int], None],
) -> float:
    """Send the orders, each client its share one after the other; return the seconds it took.

    Args:
        books: One a client, each with its own connection and token.
        progress: Called with the number of calls that are answered.
    """
    answered = 0

    async def client(number: int) -> None:
        nonlocal answered
        for index in range(number, len(orders), len(books)):
            copies = 2 if index % DOUBLED == DOUBLED - 1 else 1
            await asyncio.gather(*(tally.send(books[number], orders[index]) for _ in range(copies)))
            answered += 1
            progress(answered)

    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(len(books)):
            group.create_task(client(number))
    return time.monotonic() - begun


def summarise(
    tally: Tally,
    *,
    clients: int,
    calls: int,
    accepted: int,
    seconds: float,
    retries: int,
    deadlocks: int,
) -> RaceResult:
    """Return the numbers of a race."""
    times = sorted(tally.seconds)
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
    return RaceResult(
        clients=clients,
        calls=calls,
        requests=tally.requests,
        accepted=accepted,
        replays=tally.replays,
        refusals=tally.refused.total(),
        retries=retries,
        deadlocks=deadlocks,
        seconds=round(seconds, 3),
        calls_per_second=round(calls / seconds, 1),
        p50_ms=round(cuts[49] * 1000, 2),
        p99_ms=round(cuts[98] * 1000, 2),
    )
