"""ledger.unfreeze_account. A closed account stands in test_freeze_account.py."""

from __future__ import annotations

import uuid

from tests.callers import OWNERS, answers, assert_refused
from tests.world import Household


def test_it_opens_a_frozen_account_and_leaves_an_open_one(home: Household) -> None:
    alice = home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    open_ = alice.call("unfreeze_account", **where)
    assert open_["status"] == "open"
    alice.call("freeze_account", **where)
    assert alice.call("unfreeze_account", **where) == open_
    home.fund(1)
    assert home.posted("bank") == 1


def test_owners_only(home: Household) -> None:
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    home.as_user("alice").call("freeze_account", **where)
    assert answers(home, "unfreeze_account", **where) == OWNERS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    alice.call("freeze_account", book_id=home.book_id, account_id=home.accounts["bank"])
    assert_refused(
        home,
        alice,
        "unfreeze_account",
        {"book_id": home.book_id, "account_id": home.accounts["bank"]},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "account_not_found"),
            ({"account_id": None}, "account_not_found"),
            ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
        ],
    )
