from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from tests.callers import OWNERS, answer, answers, assert_refused
from tests.world import Household


def test_it_renames_and_leaves_what_is_null(home: Household) -> None:
    alice = home.as_user("alice")
    before = alice.query("select to_json(b) as b from ledger.books as b")[0]["b"]
    renamed = alice.call("update_book", book_id=home.book_id, name="Haushalt 🏠")
    assert renamed == {**before, "name": "Haushalt 🏠"}
    assert alice.call("update_book", book_id=home.book_id) == renamed
    assert alice.query("select to_json(b) as b from ledger.books as b")[0]["b"] == renamed


def test_archiving_keeps_its_first_time_and_can_be_undone(home: Household) -> None:
    update = partial(home.as_user("alice").call, "update_book", book_id=home.book_id)
    archived = update(archived=True)
    assert archived["archived_at"] is not None
    assert update(archived=True) == archived
    assert update(name="still archived")["archived_at"] == archived["archived_at"]
    assert update(archived=False)["archived_at"] is None
    assert update(archived=False)["archived_at"] is None


def test_an_archived_book_takes_no_change_and_can_be_read(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    home.pay(alice, "bank", "cash", 1, idempotency_key="k")
    alice.call("update_book", book_id=home.book_id, archived=True)
    account = {"account_id": home.accounts["bank"]}
    dates = {"from_date": "2020-01-01", "to_date": "2020-01-31"}
    calls: list[tuple[str, dict[str, Any], str]] = [
        ("open_account", {"name": "a", "type": "asset", "currency": "EUR"}, "book_archived"),
        ("update_account", {**account, "name": "b"}, "book_archived"),
        ("set_balance_limits", {**account, "min_balance": 0, "max_balance": 1}, "book_archived"),
        ("freeze_account", account, "book_archived"),
        ("unfreeze_account", account, "book_archived"),
        ("set_member", {"user_id": home.users["bob"], "role": "viewer"}, "book_archived"),
        ("remove_member", {"user_id": home.users["bob"]}, "book_archived"),
        ("get_balance", account, "none"),
        ("get_balances", {}, "none"),
        ("account_register", account, "none"),
        ("statement", {**account, **dates}, "none"),
        ("find_transaction", {"idempotency_key": "k"}, "none"),
        ("verify_book", {}, "none"),
    ]
    before = home.state()
    for who in (alice, home.as_role("service_role")):
        told = [
            (f, more, answer(partial(who.rows, f, book_id=home.book_id, **more)))
            for f, more, _ in calls
        ]
        assert told == calls
        transfer = partial(home.pay, who, "bank", "cash", 1)
        assert answer(transfer) == "book_archived"
    assert home.state() == before


def test_owners_only(home: Household) -> None:
    assert answers(home, "update_book", book_id=home.book_id, name="Same") == OWNERS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    assert_refused(
        home,
        home.as_user("alice"),
        "update_book",
        {"book_id": home.book_id, "name": "New"},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"name": ""}, "invalid_argument"),
            ({"name": "n" * 256}, "invalid_argument"),
            ({"name": "é" * 128}, "invalid_argument"),
        ],
    )
    longest = home.as_user("alice").call("update_book", book_id=home.book_id, name="n" * 255)
    assert longest["name"] == "n" * 255
