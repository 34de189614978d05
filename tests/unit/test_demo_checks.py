"""The demo's own bookkeeping and its checks: each finds the fault that it is there for."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tillroll import AsyncBook
from tillroll.local.checks import check_book, check_stranger
from tillroll.local.race import DOUBLED, HOPELESS, plan
from tillroll.local.tally import Sent, Tally
from tillroll.models import (
    AccountId,
    Balance,
    BookId,
    Check,
    Entry,
    Receipt,
    ReceiptEntry,
    Transaction,
    TransactionId,
)

BOOK = BookId(uuid.UUID(int=1))
BANK, FOOD = AccountId(uuid.UUID(int=2)), AccountId(uuid.UUID(int=3))
NOW, TODAY = datetime(2025, 1, 1, tzinfo=UTC), date(2025, 1, 1)
ORDER = Sent("k", FOOD, BANK, 100)


def receipt(number: int = 9, *, replayed: bool = False, amount: int = 100) -> Receipt:
    legs = (ReceiptEntry(FOOD, -amount, -amount, 1), ReceiptEntry(BANK, amount, amount, 1))
    made = TransactionId(uuid.UUID(int=number))
    return Receipt(made, BOOK, "transfer", NOW, TODAY, replayed, False, legs)


class Fake:
    """A book that says what it is told to."""

    def __init__(self) -> None:
        self.balances = [
            Balance(BANK, "EUR", 100, 0, 100, 1),
            Balance(FOOD, "EUR", -100, 0, None, 1),
        ]
        self.rows = [transaction(9, "k")]
        self.legs = [entry(9, BANK, 100), entry(9, FOOD, -100)]
        self.checks = [Check("hash_chains_hold", True, {})]

    async def get_balances(self) -> Sequence[Balance]:
        return self.balances

    async def verify_book(self) -> Sequence[Check]:
        return self.checks

    async def transactions(self) -> AsyncIterator[Transaction]:
        for row in self.rows:
            yield row

    async def entries(self) -> AsyncIterator[Entry]:
        for row in self.legs:
            yield row


def transaction(number: int, key: str) -> Transaction:
    return Transaction(
        id=TransactionId(uuid.UUID(int=number)),
        book_id=BOOK,
        kind="transfer",
        effective_on=TODAY,
        posted_at=NOW,
        description=None,
        idempotency_key=key,
        external_id=None,
        reverses_id=None,
        metadata={},
        created_by=None,
    )


def entry(number: int, account: AccountId, amount: int) -> Entry:
    return Entry(
        book_id=BOOK,
        account_id=account,
        slot=0,
        version=1,
        transaction_id=TransactionId(uuid.UUID(int=number)),
        leg=1,
        amount=amount,
        balance_after=amount,
        booked_at=NOW,
        effective_on=NOW.date(),
        hash="00" * 32,
    )


def tally() -> Tally:
    made = Tally(floors={BANK: 0})
    made.note(ORDER, receipt())
    return made


async def failed(book: Fake, own: Tally | None = None, expected: int = 100) -> set[str]:
    found = await check_book(cast(AsyncBook, book), own or tally(), {BANK: expected})
    return {finding.name for finding in found if not finding.ok}


async def test_a_book_that_is_right_passes() -> None:
    assert await failed(Fake()) == set()


async def test_money_from_nowhere_is_found() -> None:
    book = Fake()
    book.balances[1] = replace(book.balances[1], posted=-99)
    assert await failed(book) == {
        "the book sums to zero",
        "balances equal entries",
        "balances equal what was sent",
    }


async def test_a_balance_other_than_the_file_says_is_found() -> None:
    assert await failed(Fake(), expected=99) == {"balances equal what was sent"}


async def test_an_account_below_its_floor_is_found() -> None:
    own = tally()
    own.floors[BANK] = 101
    assert await failed(Fake(), own) == {"nobody below the floor"}


async def test_a_chain_that_does_not_hold_is_found_and_so_are_checks_that_did_not_run() -> None:
    book = Fake()
    book.checks = [Check("hash_chains_hold", False, {"offenders": 1})]
    assert await failed(book) == {"chains verify"}
    book.checks = []
    assert await failed(book) == {"chains verify"}


async def test_a_transaction_that_nobody_was_told_of_is_found() -> None:
    book = Fake()
    book.rows.append(transaction(10, "other"))
    assert await failed(book) == {"nothing doubled"}
    book.rows[1] = transaction(10, "k")
    assert await failed(book) == {"nothing doubled"}


async def test_a_posting_that_was_answered_and_is_not_there_is_found() -> None:
    book = Fake()
    book.rows.clear()
    assert await failed(book) == {"nothing lost"}


async def test_entries_other_than_the_order_are_found() -> None:
    book = Fake()
    book.legs = [entry(9, BANK, 100), entry(8, FOOD, -100)]
    assert await failed(book) == {"nothing lost"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (receipt(9), receipt(9)),  # both claim to have posted
        (receipt(9), receipt(10, replayed=True)),  # a replay of something else
        (receipt(9), receipt(9, replayed=True, amount=99)),
    ],
)
def test_an_answer_that_doubles_or_changes_a_posting_is_a_fault(
    first: Receipt, second: Receipt
) -> None:
    own = Tally()
    own.note(ORDER, first)
    assert own.faults == []
    own.note(ORDER, second)
    assert own.faults


def test_a_replay_is_counted_and_booked_once() -> None:
    own = tally()
    own.note(ORDER, receipt(replayed=True))
    assert (own.replays, own.faults) == (1, [])
    assert own.balances == {BANK: 100, FOOD: -100}


def test_a_transaction_that_answers_two_orders_is_a_fault() -> None:
    own = tally()
    own.note(replace(ORDER, key="other"), receipt(replayed=True))
    assert own.faults


def test_an_answer_below_the_floor_is_a_fault() -> None:
    own = Tally(floors={FOOD: 0})
    own.note(ORDER, receipt())
    assert own.faults


async def test_a_stranger_who_is_answered_is_found() -> None:
    rows: list[dict[str, str]] = []

    class Query:
        def select(self, *_: str) -> Query:
            return self

        async def execute(self) -> Any:
            return SimpleNamespace(data=rows)

    class Anything:
        def __getattr__(self, name: str) -> Any:
            async def answer(**_: object) -> str:
                return "here you are"

            return answer

    class Member:
        async def accounts(self) -> AsyncIterator[Any]:
            for id in (BANK, FOOD):
                yield SimpleNamespace(id=id)

    supabase = SimpleNamespace(schema=lambda _: SimpleNamespace(table=lambda _: Query()))
    found = await check_stranger(cast(Any, supabase), cast(Any, Anything()), cast(Any, Member()))
    assert not found.ok
    answered = len(found.wrong)
    rows.append({"id": "1"})
    found = await check_stranger(cast(Any, supabase), cast(Any, Anything()), cast(Any, Member()))
    assert len(found.wrong) >= answered
    assert "books: 1 rows" in found.wrong


def test_the_plan_goes_both_ways_and_is_refused_on_purpose() -> None:
    accounts = [AccountId(uuid.UUID(int=number)) for number in range(4)]
    orders = plan(1000, accounts, 20_000, seed=7)
    assert orders == plan(1000, accounts, 20_000, seed=7)
    assert len({order.key for order in orders}) == 1000
    assert len({(order.giver, order.taker) for order in orders}) == 12
    hopeless = [order for order in orders if order.amount > 4 * 20_000]
    assert len(hopeless) == 1000 // HOPELESS
    assert DOUBLED == 5
