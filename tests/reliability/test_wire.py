"""The part, and what a client makes of each fault."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.clock import VirtualClock
from tests.conftest import cluster_of
from tests.reliability import wire
from tests.reliability.proof import Run
from tests.reliability.proxy import Fault, Http, Plan, Postgres, Proxy
from tests.reliability.stage import Bank, Gateway, gateway, open_bank
from tests.reliability.workload import Workload
from tillroll import (
    AsyncBook,
    AsyncTillroll,
    NoAnswer,
    OutcomeUnknown,
    Receipt,
    RetryPolicy,
    Unreachable,
)
from tillroll.server import free_port

PATIENCE = 2.0
LOST = (
    Fault("cut", "up", 0),
    Fault("cut", "up", 100),
    Fault("cut", "up", None),
    Fault("cut", "down", 0),
    Fault("cut", "down", 200),
    Fault("reset", "up", 0),
    Fault("reset", "down", 0),
    Fault("half-close", "up", 100),
    Fault("half-close", "down", 200),
    Fault("blackhole", "up", 0, seconds=0.2),
    Fault("blackhole", "down", 0, seconds=0.2),
)


def test_on_broken_wires_nothing_is_lost_doubled_or_half_applied(tmp_path: Path) -> None:
    run = Run("wire", 1, "short", tmp_path)
    wire.run(run)
    print(*run.checks, run.figures, sep="\n")
    assert run.ok


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    yield open_bank(database, accounts=2, funds=100_000)
    cluster.drop(database)


@pytest.fixture(scope="module")
def running(bank: Bank) -> Iterator[Gateway]:
    with gateway(bank.login()) as started:
        yield started


@asynccontextmanager
async def client(
    bank: Bank, port: int, attempts: int = 1, timeout: float = PATIENCE
) -> AsyncIterator[AsyncBook]:
    """A client of what listens there; its retries take no time."""
    async with AsyncTillroll.connect(
        *(f"http://127.0.0.1:{port}", "anon"),
        access_token=bank.token(),
        rest_path="",
        timeout=timeout,
        retry=RetryPolicy(max_attempts=attempts, budget_burst=1_000, clock=VirtualClock(chance=0)),
    ) as made:
        yield made.book(bank.book_id)


async def pay(bank: Bank, book: AsyncBook, key: str | None = None) -> Receipt:
    giver, taker = bank.accounts
    return await book.transfer(
        from_account_id=giver, to_account_id=taker, amount=1, idempotency_key=key
    )


@pytest.mark.parametrize("fault", LOST, ids=str)
async def test_a_fault_before_the_gateway_is_an_unknown_outcome(
    fault: Fault, bank: Bank, running: Gateway
) -> None:
    port = int(running.url.rsplit(":", 1)[1])
    plan = Plan({0: fault})
    async with Proxy(port, Http, plan) as proxy, client(bank, proxy.port) as book:
        with pytest.raises(OutcomeUnknown) as unknown:
            await pay(bank, book)
        settled = await pay(bank, book, unknown.value.key)
        assert (await pay(bank, book, unknown.value.key)).transaction_id == settled.transaction_id

        proxy.plan = Plan({0: fault})
        with pytest.raises(NoAnswer) as unread:
            await book.get_balance(account_id=bank.world)
        assert not isinstance(unread.value, OutcomeUnknown)

    async with Proxy(port, Http, Plan({0: fault})) as proxy, client(bank, proxy.port, 3) as book:
        assert (await pay(bank, book)).transaction_id
        assert proxy.plan.exchanges == 2

        held = await book.create_hold(
            account_id=bank.accounts[0], to_account_id=bank.accounts[1], amount=1
        )
        proxy.plan = Plan({0: fault})
        with pytest.raises(OutcomeUnknown) as unknown:
            await book.release_hold(hold_id=held.id)
        assert unknown.value.keys == ()
        assert proxy.plan.exchanges == 1


@pytest.mark.parametrize(
    "fault",
    [Fault("delay", "up", 50, 0.1), Fault("delay", "down", 50, 0.1), Fault("duplicate", "up")],
    ids=str,
)
async def test_what_is_late_or_doubled_is_answered_at_the_first_attempt(
    fault: Fault, bank: Bank, running: Gateway
) -> None:
    async with Proxy(int(running.url.rsplit(":", 1)[1]), Http, Plan({0: fault})) as proxy:
        async with client(bank, proxy.port, 3) as book:
            assert (await pay(bank, book)).transaction_id
        assert proxy.plan.exchanges == 1


async def test_an_answer_that_is_held_is_given_up_on_and_asked_for_again(
    bank: Bank, running: Gateway
) -> None:
    held = Plan({0: Fault("hold", seconds=60)})
    async with Proxy(int(running.url.rsplit(":", 1)[1]), Http, held) as proxy:
        async with client(bank, proxy.port, 2, timeout=1) as book:
            assert (await pay(bank, book)).replayed
        assert proxy.plan.exchanges == 2


@pytest.mark.parametrize("repeating", [False, True], ids=["gateway", "repeating gateway"])
async def test_a_fault_behind_the_gateway_is_an_unknown_outcome(
    repeating: bool, bank: Bank
) -> None:
    async with AsyncExitStack() as opened:
        proxy = Proxy(bank.database.server.port, Postgres)
        await opened.enter_async_context(proxy)
        starting = gateway(bank.login(proxy.port), retry_aborted=repeating, pool=1)
        running = await asyncio.to_thread(starting.__enter__)
        opened.push(starting)
        port = int(running.url.rsplit(":", 1)[1])
        book = await opened.enter_async_context(client(bank, port))
        patient = await opened.enter_async_context(client(bank, port, 3))
        await pay(bank, book)  # the pool has its connection now
        for fault in LOST:
            proxy.plan = Plan({0: fault})
            with pytest.raises(OutcomeUnknown) as unknown:
                await pay(bank, book)
            settled = await pay(bank, book, unknown.value.key)
            repeated = await pay(bank, book, unknown.value.key)
            assert repeated.transaction_id == settled.transaction_id
            # The second strikes the start of the next connection: nothing executed, and said so.
            proxy.plan = Plan({0: fault, 1: fault})
            assert (await pay(bank, patient)).transaction_id


async def test_without_a_connection_nothing_happened(bank: Bank) -> None:
    async with client(bank, free_port(), 3) as book:
        with pytest.raises(Unreachable):
            await pay(bank, book)


async def test_a_client_that_says_too_much_is_found(bank: Bank, tmp_path: Path) -> None:
    workload = Workload(bank, "told")
    sent = workload.order(Random(1))
    async with AsyncTillroll.direct(bank.dsn()) as direct:
        await workload.send(direct.book(bank.book_id), sent)
    for error, doubled, found in (
        (Unreachable("x"), set(), ["told that nothing happened, and it had"]),
        (Unreachable("x"), {sent.key}, []),
        (OutcomeUnknown("x", function="transfer", keys=()), set(), ["unknown without the key"]),
        (OutcomeUnknown("x", function="transfer", keys=(sent.key,)), set(), []),
    ):
        run = Run("wire", 1, "short", tmp_path)
        workload.told = {sent.key: error}
        wire._check_what_was_told(run, workload, doubled)
        assert [check.name for check in run.checks if not check.ok] == found


def test_a_fault_that_never_struck_is_found(tmp_path: Path) -> None:
    run = Run("wire", 1, "short", tmp_path)
    bank: Any = None
    struck = Counter({(where, kind): 1 for where, kinds in wire.FAULTS.items() for kind in kinds})
    del struck[wire.BEHIND, "reset"]
    wire._check_kinds(run, wire.Wires(run, bank, 0, AsyncExitStack(), struck))
    assert [check.ok for check in run.checks] == [True, False]
