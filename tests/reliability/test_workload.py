"""The judge finds what it is there to find: each kind of damage, done on purpose."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from tests.conftest import cluster_of
from tests.reliability.proof import Run
from tests.reliability.proxy import Fault, Plan, Postgres, Proxy
from tests.reliability.stage import open_bank
from tests.reliability.workload import Workload
from tillroll import AsyncBook, AsyncTillroll, InsufficientFunds, OutcomeUnknown, RetryPolicy
from tillroll.models import Receipt, TransactionId


@pytest.fixture
def workload() -> Iterator[Workload]:
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    yield Workload(open_bank(database, accounts=3, funds=1_000), "test")
    cluster.drop(database)


@pytest.fixture
def judged(workload: Workload, tmp_path: Path) -> Judged:
    return Judged(workload, Run("test", 1, "short", tmp_path))


@dataclass
class Judged:
    """What the judge says."""

    workload: Workload
    run: Run

    def faults(self) -> set[str]:
        """The checks that do not hold."""
        self.workload.judge(self.run)
        return {check.name for check in self.run.checks if not check.ok}


async def some(workload: Workload) -> None:
    """Twenty orders of two customers, with nothing in their way."""
    async with AsyncTillroll.direct(workload.bank.dsn()) as client:
        book = client.book(workload.bank.book_id)
        await workload.run([book, book], asyncio.Event(), 20)


async def test_honest_books_agree(workload: Workload, judged: Judged) -> None:
    await some(workload)
    assert judged.faults() == set()
    assert judged.run.figures["orders"] == 20
    assert judged.run.figures["posted"] == len(workload.tally.keys) > 0


class Forgetful:
    """A client that repeats what had no answer as if it were another order."""

    def __init__(self, book: AsyncBook) -> None:
        self._book = book

    async def transfer(self, **order: Any) -> Receipt:
        try:
            return await self._book.transfer(**order)
        except OutcomeUnknown:
            return await self._book.transfer(**{**order, "idempotency_key": str(uuid.uuid4())})


async def test_a_retry_under_a_new_key_is_found(workload: Workload, judged: Judged) -> None:
    bank, once = workload.bank, RetryPolicy(max_attempts=1)
    sent = workload.order(Random(1))
    async with Proxy(bank.database.server.port, Postgres) as proxy:
        # The start of the connection passes, the first answer does not.
        proxy.plan = Plan({1: Fault("cut")})
        async with AsyncTillroll.direct(bank.dsn(proxy.port), retry=once) as client:
            forgetful: Any = Forgetful(client.book(bank.book_id))
            await workload.send(forgetful, sent)
    assert judged.faults() == {
        "posted but never answered",
        "another transaction than was said",
        "wrong balances",
    }


async def test_the_same_retry_under_its_key_is_in_order(workload: Workload, judged: Judged) -> None:
    bank, once = workload.bank, RetryPolicy(max_attempts=1)
    sent = workload.order(Random(1))
    async with Proxy(bank.database.server.port, Postgres) as proxy:
        proxy.plan = Plan({1: Fault("cut")})
        async with AsyncTillroll.direct(bank.dsn(proxy.port), retry=once) as client:
            await workload.send(client.book(bank.book_id), sent)
            assert list(workload.open) == [sent.key]
            assert isinstance(workload.told[sent.key], OutcomeUnknown)
            await workload.settle(client.book(bank.book_id))
    assert judged.faults() == set()


async def test_a_lost_order_is_found(workload: Workload, judged: Judged) -> None:
    await some(workload)
    workload.tally.keys["lost"] = TransactionId(uuid.uuid4())
    assert judged.faults() == {"acknowledged but lost", "another transaction than was said"}
    assert workload.lost() == ["lost"]


async def test_an_order_of_nobody_is_found(workload: Workload, judged: Judged) -> None:
    await some(workload)
    bank = workload.bank
    with bank.database.connect() as owner:
        owner.execute(
            "select ledger.transfer(%s, %s, %s, 1, 'nobody')",
            [bank.book_id, bank.world, bank.accounts[0]],
        )
    assert judged.faults() == {"posted but never answered", "wrong balances"}


@pytest.mark.parametrize(("posted", "more"), [(1, set()), (-9_000, {"negative balances"})])
async def test_half_an_order_is_found(
    posted: int, more: set[str], workload: Workload, judged: Judged
) -> None:
    await some(workload)
    with psycopg.connect(workload.bank.database.dsn("supabase_admin"), autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        admin.execute(
            "update ledger_private.balances set posted = posted + %s where account_id = %s",
            [posted, workload.bank.accounts[0]],
        )
    assert judged.faults() == {"wrong balances", "broken checks of verify_book", *more}


async def test_an_open_order_is_found(workload: Workload, judged: Judged) -> None:
    sent = workload.order(Random(1))
    workload.open[sent.key] = sent
    assert judged.faults() == {"still open", "orders that were posted"}


class Changing:
    """A ledger that refuses what it has posted, or tells another receipt of it."""

    def __init__(self, *answers: Receipt | InsufficientFunds) -> None:
        self._answers = iter(answers)

    async def transfer(self, **_: Any) -> Receipt:
        answer = next(self._answers)
        if isinstance(answer, InsufficientFunds):
            raise answer
        return answer


class Late:
    """A ledger that refuses an order while an earlier attempt is on its way, which then arrives."""

    def __init__(self, book: AsyncBook) -> None:
        self._book = book
        self._refused = False

    async def transfer(self, **order: Any) -> Receipt:
        if not self._refused:
            self._refused = True
            await self._book.transfer(**order)
            raise InsufficientFunds("")
        return await self._book.transfer(**order)


@pytest.mark.parametrize("later", ["a refusal", "another balance"])
async def test_an_answer_that_contradicts_the_first_is_found(
    later: str, workload: Workload, judged: Judged
) -> None:
    async with AsyncTillroll.direct(workload.bank.dsn()) as client:
        sent = workload.order(Random(1))
        book = client.book(workload.bank.book_id)
        await workload.send(book, sent)
        replay = await workload.tally.send(book, sent)
    assert isinstance(replay, Receipt)
    giver, taker = replay.entries
    other = replace(replay, entries=(giver, replace(taker, balance_after=1)))
    changing: Any = Changing(replay, InsufficientFunds("") if later == "a refusal" else other)
    await workload.send(changing, sent)
    assert workload.contradictions == []
    await workload.send(changing, sent)
    assert judged.faults() == {"answers that contradict each other"}


async def test_an_order_that_is_posted_after_it_was_refused_is_asked_about_again(
    workload: Workload, judged: Judged
) -> None:
    sent = workload.order(Random(1))
    workload.open[sent.key] = sent
    async with AsyncTillroll.direct(workload.bank.dsn()) as client:
        late: Any = Late(client.book(workload.bank.book_id))
        await workload.settle(late)
    assert workload.tally.refused[sent.key] == 1
    assert judged.faults() == set()


async def test_a_refusal_of_what_is_there_is_found(workload: Workload, judged: Judged) -> None:
    bank, sent = workload.bank, workload.order(Random(1))
    with bank.database.connect() as owner:
        owner.execute(
            "select ledger.transfer(%s, %s, %s, %s, %s)",
            [bank.book_id, sent.giver, sent.taker, sent.amount, sent.key],
        )
    workload.open[sent.key] = sent
    refusing: Any = Changing(*[InsufficientFunds("")] * 2)
    await workload.settle(refusing)
    assert "answers that contradict each other" in judged.faults()


async def test_a_ledger_that_refuses_everything_is_found(
    workload: Workload, judged: Judged
) -> None:
    refusing: Any = Changing(*[InsufficientFunds("")] * 3)
    await workload.run([refusing], asyncio.Event(), 3)
    assert judged.faults() == {"orders that were posted"}


async def test_entries_that_do_not_add_up_are_found(workload: Workload, judged: Judged) -> None:
    await some(workload)
    with psycopg.connect(workload.bank.database.dsn("supabase_admin"), autocommit=True) as admin:
        admin.execute("set session_replication_role = replica")
        admin.execute(
            "update ledger_private.entries set amount = amount + 1"
            " where account_id = %s and version = 1",
            [workload.bank.accounts[0]],
        )
    assert judged.faults() == {"wrong balances", "broken checks of verify_book"}


@pytest.mark.parametrize("noted", [True, False])
async def test_a_refusal_after_an_attempt_without_answer_stays_open(
    noted: bool, workload: Workload
) -> None:
    refusal = InsufficientFunds("not enough")
    if noted:
        refusal.add_note("An earlier attempt had no answer.")

    class Refusing:
        async def transfer(self, **_: Any) -> Receipt:
            raise refusal

    refusing: Any = Refusing()
    sent = workload.order(Random(1))
    await workload.send(refusing, sent)
    assert (sent.key in workload.open) is noted
