"""What moves money, each way: batches, expectations, dry runs, exchange, reversal."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from tests.clock import VirtualClock
from tests.integration.client.conftest import Clients, Home
from tests.integration.client.proxy import Proxy
from tests.waiting import until
from tillroll import (
    AlreadyReversed,
    EntryInput,
    Expectation,
    InsufficientFunds,
    InvalidArgument,
    NoAnswer,
    OutcomeUnknown,
    RequestFailed,
    RetryPolicy,
    TransactionInput,
    TransactionNotFound,
    Unbalanced,
    VersionConflict,
)


def item(home: Home, amount: int, **words: Any) -> TransactionInput:
    """From the world to the bank."""
    return TransactionInput(
        [EntryInput(home.world, -amount), EntryInput(str(home.bank), amount)], **words
    )


def legs(receipt: Any) -> list[tuple[uuid.UUID, int, int]]:
    return [(each.account_id, each.amount, each.balance_after) for each in receipt.entries]


def test_a_transaction_has_as_many_entries_as_it_needs(home: Home) -> None:
    entries = [
        EntryInput(home.world, -30),
        EntryInput(home.bank, 20),
        EntryInput(str(home.cash), 10),
    ]
    order = {"entries": entries, "idempotency_key": "split", "metadata": {"by": "two"}}
    receipt = home.book.post_transaction(**order)
    assert legs(receipt) == [(home.world, -30, -30), (home.bank, 20, 20), (home.cash, 10, 10)]
    assert home.book.post_transaction(**order) == replace(receipt, replayed=True)
    assert home.book.find_transaction(idempotency_key="split").kind == receipt.kind


def test_entries_that_are_none_are_refused(home: Home) -> None:
    post = home.book.post_transaction
    with pytest.raises(Unbalanced):
        post(entries=[EntryInput(home.world, -2), EntryInput(home.bank, 1)])
    with pytest.raises(InvalidArgument):
        post(entries=[])
    for amount in (1.5, "NaN"):
        with pytest.raises(RequestFailed) as refused:
            post(entries=[EntryInput(home.world, -1), EntryInput(home.bank, amount)])  # type: ignore[arg-type]
        assert refused.value.code == "22P02"
    assert list(home.book.transactions()) == []


def test_what_is_there_is_moved_up_to_an_amount(home: Home) -> None:
    home.fund(70)
    order = {"from_account_id": home.bank, "to_account_id": home.cash, "amount": 100}
    assert legs(home.book.transfer_up_to(**order)) == [(home.bank, -70, 0), (home.cash, 70, 70)]
    with pytest.raises(InsufficientFunds):
        home.book.transfer_up_to(**order)


def test_a_serializable_transfer_has_its_transaction(home: Home) -> None:
    order = {"from_account_id": home.world, "to_account_id": home.bank, "amount": 5}
    receipt = home.book.transfer_serializable(**order)
    assert legs(receipt) == [(home.world, -5, -5), (home.bank, 5, 5)]


def test_a_serializable_transfer_that_meets_another_is_tried_again(
    home: Home, clients: Clients
) -> None:
    clock = VirtualClock()
    book = clients(home.alice, retry=RetryPolicy(clock=clock)).book(home.book.id)
    receipts: list[Any] = []

    def pay() -> None:
        receipts.append(
            book.transfer_serializable(
                from_account_id=home.world, to_account_id=home.bank, amount=5
            )
        )

    paying = threading.Thread(target=pay)
    with psycopg.connect(clients.backend.database.dsn("supabase_admin")) as other:
        other.execute(
            "update ledger_private.balances set held = held where account_id = %s", [home.bank]
        )
        paying.start()
        waiting = "select 1 from pg_locks where not granted and transactionid is not null"
        until(lambda: bool(clients.backend.sql(waiting)))
    paying.join()
    assert not receipts[0].replayed
    assert len(clock.slept) == 1
    assert home.posted(home.bank) == 5


def test_a_batch_is_posted_in_its_order(home: Home) -> None:
    items = [
        item(home, 5, idempotency_key="first", description="one"),
        item(home, 7, external_id="x", metadata={"n": 2}),
        TransactionInput([EntryInput(home.bank, -12), EntryInput(home.cash, 12)]),
    ]
    results = home.book.post_transactions(transactions=items)
    assert [each.ordinal for each in results] == [1, 2, 3]
    assert [each.error for each in results] == [None] * 3
    assert legs(results[1].receipt) == [(home.world, -7, -12), (home.bank, 7, 12)]
    posted = {each.id: each for each in home.book.transactions()}
    first, second, third = (posted[each.receipt.transaction_id] for each in results)
    assert (first.idempotency_key, first.description) == ("first", "one")
    assert (second.external_id, second.metadata) == ("x", {"n": 2})
    assert uuid.UUID(third.idempotency_key).version == 7
    again = home.book.post_transactions(transactions=items[:1])
    assert [each.receipt.replayed for each in again] == [True]


def test_an_atomic_batch_is_refused_whole(home: Home) -> None:
    items = [item(home, 5), TransactionInput([EntryInput(home.bank, -6), EntryInput(home.cash, 6)])]
    with pytest.raises(InsufficientFunds):
        home.book.post_transactions(transactions=items)
    assert home.posted(home.bank) == 0


def test_each_item_has_its_own_result(home: Home) -> None:
    items = [
        item(home, 5),
        TransactionInput([EntryInput(home.bank, -6), EntryInput(home.cash, 6)]),
        item(home, 2),
    ]
    one, two, three = home.book.post_transactions(transactions=items, mode="per_item")
    assert (one.receipt.entries[1].balance_after, three.receipt.entries[1].balance_after) == (5, 7)
    assert two.receipt is None
    assert isinstance(two.error, InsufficientFunds)
    assert two.error.details["available"] == 5
    assert home.posted(home.bank) == 7


def test_a_batch_may_be_as_large_as_its_answer(home: Home, clients: Clients) -> None:
    items = [item(home, 1)] * 1001
    if clients.way.endswith("direct"):
        results = home.book.post_transactions(transactions=items)
        assert [each.ordinal for each in results] == [*range(1, 1002)]
        assert home.posted(home.bank) == 1001
    else:
        with pytest.raises(ValueError, match="1001"):
            home.book.post_transactions(transactions=items)
        assert home.posted(home.bank) == 0


@pytest.mark.parametrize("fault", ["cut", "captive"])
def test_a_batch_whose_answer_is_lost_is_repeated_and_happens_once(
    fault: str, http_home: Home, client: Any, wire: Proxy
) -> None:
    wire.faults = [fault]
    results = client.book(http_home.book.id).post_transactions(
        transactions=[item(http_home, 1), item(http_home, 2, idempotency_key="mine")]
    )
    assert [each.receipt.replayed for each in results] == [True, True]
    assert http_home.posted(http_home.bank) == 3


def test_a_batch_that_stays_unknown_can_be_settled_with_its_keys(
    http_home: Home, client: Any, wire: Proxy
) -> None:
    items = [item(http_home, 4), item(http_home, 8, idempotency_key="mine")]
    wire.faults = ["cut"] * 3
    with pytest.raises(OutcomeUnknown) as unknown:
        client.book(http_home.book.id).post_transactions(transactions=items)
    assert unknown.value.key is None
    assert unknown.value.keys[1] == "mine"
    pairs = zip(items, unknown.value.keys, strict=True)
    results = http_home.book.post_transactions(
        transactions=[replace(each, idempotency_key=key) for each, key in pairs]
    )
    assert [each.receipt.replayed for each in results] == [True, True]
    assert http_home.posted(http_home.bank) == 12


def test_a_batch_of_which_not_all_results_came_is_told_with_its_keys(capped: Home) -> None:
    items = [item(capped, amount) for amount in (1, 2, 3)]
    with pytest.raises(OutcomeUnknown) as unknown:
        capped.book.post_transactions(transactions=items)
    assert len(unknown.value.keys) == 3
    [last] = capped.book.post_transactions(
        transactions=[replace(items[2], idempotency_key=unknown.value.keys[2])]
    )
    assert last.receipt.replayed
    assert capped.posted(capped.bank) == 6


def test_what_is_expected_of_an_account_must_hold(home: Home) -> None:
    home.fund(10)
    [version] = [each.version for each in home.book.get_balances(account_ids=[home.bank])]
    met = [
        Expectation(home.bank, version=version, available_gte=10),
        Expectation(str(home.cash), posted_eq=0),
    ]
    move = {"from_account_id": home.bank, "to_account_id": home.cash, "amount": 1}
    for post in (home.book.transfer, home.book.transfer_up_to, home.book.transfer_serializable):
        with pytest.raises(VersionConflict):
            post(**move, expect=[Expectation(home.bank, version=version + 1)])
    home.book.transfer(**move, expect=met)
    with pytest.raises(VersionConflict):
        home.book.transfer(**move, expect=met)
    entries = [EntryInput(home.world, -1), EntryInput(home.bank, 1)]
    with pytest.raises(VersionConflict):
        home.book.post_transaction(entries=entries, expect=met)
    with pytest.raises(VersionConflict):
        home.book.post_transactions(transactions=[item(home, 1)], expect=met)
    with pytest.raises(InvalidArgument):
        home.book.transfer(**move, expect=[Expectation(home.bank)])
    assert home.posted(home.bank) == 9


def test_a_repeated_posting_is_replayed_though_its_expectation_holds_no_more(
    http_home: Home, client: Any, wire: Proxy
) -> None:
    book = client.book(http_home.book.id)
    entries = [EntryInput(http_home.world, -1), EntryInput(http_home.bank, 1)]
    move = {"from_account_id": http_home.world, "to_account_id": http_home.bank, "amount": 1}
    posts: list[Callable[[Sequence[Expectation]], Any]] = [
        lambda expect: book.transfer(**move, expect=expect),
        lambda expect: book.transfer_up_to(**move, expect=expect),
        lambda expect: book.transfer_serializable(**move, expect=expect),
        lambda expect: book.post_transaction(entries=entries, expect=expect),
        lambda expect: book.post_transactions(transactions=[item(http_home, 1)], expect=expect),
    ]
    for count, post in enumerate(posts):
        wire.faults = ["cut"]
        post([Expectation(http_home.bank, posted_eq=count)])
        assert http_home.posted(http_home.bank) == count + 1


def test_a_dry_run_says_what_would_be_and_uses_no_key_up(home: Home) -> None:
    entries = [EntryInput(home.world, -9), EntryInput(home.bank, 9)]
    dry = home.fund(9, idempotency_key="k", dry_run=True)
    assert (dry.transaction_id, dry.dry_run, dry.replayed) == (None, True, False)
    assert legs(dry) == [(home.world, -9, -9), (home.bank, 9, 9)]
    assert home.book.post_transaction(entries=entries, dry_run=True).dry_run
    [one] = home.book.post_transactions(transactions=[item(home, 9)], dry_run=True)
    assert (one.receipt.transaction_id, one.receipt.dry_run) == (None, True)
    with pytest.raises(InsufficientFunds):
        home.book.transfer(
            from_account_id=home.bank, to_account_id=home.cash, amount=1, dry_run=True
        )
    assert list(home.book.transactions()) == []
    real = home.fund(9, idempotency_key="k")
    assert (real.replayed, real.dry_run) == (False, False)
    again = home.fund(9, idempotency_key="k", dry_run=True)
    assert (again.replayed, again.dry_run) == (True, True)


def test_a_dry_run_without_an_answer_did_nothing(http_home: Home, client: Any, wire: Proxy) -> None:
    book = client.book(http_home.book.id)
    posts: list[Callable[[], Any]] = [
        lambda: book.transfer(
            from_account_id=http_home.world, to_account_id=http_home.bank, amount=1, dry_run=True
        ),
        lambda: book.post_transactions(transactions=[item(http_home, 1)], dry_run=True),
    ]
    for post in posts:
        wire.faults = ["cut"] * 3
        with pytest.raises(NoAnswer) as lost:
            post()
        assert not isinstance(lost.value, OutcomeUnknown)


def test_money_is_changed_into_another(home: Home) -> None:
    home.fund(10_00)
    yen = home.book.open_account(name="yen", type="asset", currency="JPY").id
    order = {"from_account_id": home.bank, "to_account_id": yen, "idempotency_key": "trip"}
    receipt = home.book.exchange(**order, sell_amount=10_00, buy_amount=1_623)
    assert len(receipt.entries) == 4
    assert (home.posted(home.bank), home.posted(yen)) == (0, 1_623)
    assert home.book.exchange(**order, sell_amount=10_00, buy_amount=1_623).replayed
    [transaction] = [each for each in home.book.transactions() if each.kind == "exchange"]
    assert transaction.metadata["exchange"]


def test_a_transaction_is_reversed_in_part_and_then_no_further(home: Home) -> None:
    paid = home.fund(10)
    reverse = home.book.reverse_transaction
    part = reverse(transaction_id=paid.transaction_id, amount=4, idempotency_key="back")
    assert legs(part) == [(home.world, 4, -6), (home.bank, -4, 6)]
    assert reverse(transaction_id=paid.transaction_id, amount=4, idempotency_key="back").replayed
    with pytest.raises(AlreadyReversed):
        reverse(transaction_id=paid.transaction_id, amount=7)
    dry = reverse(transaction_id=str(paid.transaction_id), amount=6, dry_run=True)
    assert dry.transaction_id is None
    reverse(transaction_id=paid.transaction_id, amount=6)
    assert home.posted(home.bank) == 0
    with pytest.raises(TransactionNotFound):
        reverse(transaction_id=uuid.uuid4())
    links = [each.reverses_id for each in home.book.transactions()]
    assert links == [None, paid.transaction_id, paid.transaction_id]
    assert {each.kind for each in home.book.transactions()} == {"transfer", "reversal"}
