from __future__ import annotations

import uuid
from functools import partial

from tests.callers import READERS, answer, answers, assert_refused
from tests.world import Household


def test_it_returns_the_receipt_of_the_first_call(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    receipt = home.pay(bob, "bank", "cash", 30, idempotency_key="Miete ⌂ 'k'")
    home.pay(bob, "bank", "cash", 5)
    found = home.as_user("carol").call(
        "find_transaction", book_id=home.book_id, idempotency_key="Miete ⌂ 'k'"
    )
    assert found == {**receipt, "replayed": True}


def test_what_is_not_committed_is_not_found(home: Household) -> None:
    bob, carol = home.as_user("bob"), home.as_user("carol")
    find = partial(carol.call, "find_transaction", book_id=home.book_id, idempotency_key="k")
    bob.query("begin")
    home.pay(bob, "world", "bank", 1, idempotency_key="k")
    assert answer(find) == "transaction_not_found"
    bob.query("commit")
    assert answer(find) == "none"


def test_viewers_and_up_and_whose_account_it_touches(home: Household) -> None:
    home.pay(home.as_user("bob"), "world", "bank", 1, idempotency_key="k")
    told = answers(home, "find_transaction", book_id=home.book_id, idempotency_key="k")
    assert told == READERS

    home.pay(home.as_user("bob"), "world", "cash", 1, idempotency_key="other")
    told = answers(home, "find_transaction", book_id=home.book_id, idempotency_key="other")
    assert told == {**READERS, "holder": "transaction_not_found"}


def test_bad_input_is_refused_by_code(home: Household) -> None:
    alice = home.as_user("alice")
    home.pay(alice, "world", "bank", 1, idempotency_key="k")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    keys = (None, "", "K", "k ", "k" * 256)
    assert_refused(
        home,
        alice,
        "find_transaction",
        {"book_id": home.book_id, "idempotency_key": "k"},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "transaction_not_found"),
            *(({"idempotency_key": key}, "transaction_not_found") for key in keys),
        ],
    )
