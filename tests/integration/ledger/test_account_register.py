from __future__ import annotations

import uuid
from typing import Any

from tests.callers import READERS, answers, assert_refused
from tests.world import Household


def test_it_returns_the_entries_with_their_words_newest_first(home: Household) -> None:
    bob = home.as_user("bob")
    home.pay(bob, "world", "bank", 100, effective_on="2026-03-02", description="pay")
    receipt = home.pay(bob, "bank", "cash", 30, effective_on="2026-03-01", description="cash")

    lines = home.as_user("carol").rows(
        "account_register", book_id=home.book_id, account_id=home.accounts["bank"]
    )

    newest, oldest = lines
    assert newest == {
        "transaction_id": receipt["transaction_id"],
        "leg": 1,
        "kind": "transfer",
        "booked_at": newest["booked_at"],
        "effective_on": "2026-03-01",
        "description": "cash",
        "amount": -30,
        "running_balance": 70,
        "version": 2,
        "cursor": newest["cursor"],
    }
    assert (oldest["description"], oldest["leg"], oldest["amount"]) == ("pay", 2, 100)
    assert (oldest["running_balance"], oldest["version"]) == (100, 1)
    assert oldest["booked_at"] < newest["booked_at"]
    assert bob.rows("account_register", book_id=home.book_id, account_id=home.accounts["yen"]) == []


def test_pages_are_gapless_and_steady_while_new_entries_come(home: Household) -> None:
    bob = home.as_user("bob")
    for amount in range(1, 8):
        home.pay(bob, "world", "bank", amount)
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    amounts: list[int] = []
    before: str | None = None
    while page := bob.rows("account_register", **where, page_size=3, before=before):
        amounts += [line["amount"] for line in page]
        before = page[-1]["cursor"]
        home.pay(bob, "world", "bank", 99)
    assert amounts == [7, 6, 5, 4, 3, 2, 1]
    assert len(bob.rows("account_register", **where, page_size=1000)) == 10


def test_a_page_has_100_lines_unless_told_otherwise(home: Household) -> None:
    home.owner().query(
        "select ledger.transfer(%s, %s, %s, n) from generate_series(1, 101) as n",
        [home.book_id, home.accounts["world"], home.accounts["bank"]],
    )
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    lines = home.as_user("carol").rows("account_register", **where)
    assert [line["amount"] for line in lines] == list(range(101, 1, -1))


def test_viewers_and_up(home: Household) -> None:
    home.fund()
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert answers(home, "account_register", **where) == READERS


def test_bad_input_is_refused_by_code(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    cursors = ("", "v", "v0", "v-1", "1", "v1 ", "v1x", "V1", "v" + "9" * 19, "v1\n", "null")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"book_id": None}, "book_not_found"),
        ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
        ({"book_id": other}, "account_not_found"),
        ({"account_id": None}, "account_not_found"),
        ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
        *(({"page_size": size}, "invalid_argument") for size in (None, 0, -1, 1001)),
        *(({"before": cursor}, "invalid_cursor") for cursor in cursors),
    ]
    good = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert_refused(home, alice, "account_register", good, cases)
