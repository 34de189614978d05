"""ledger.freeze_account. What a frozen account refuses stands in test_transfer.py."""

from __future__ import annotations

import uuid
from functools import partial

from tests.callers import OWNERS, answer, answers, assert_refused
from tests.world import Household


def test_it_freezes_and_repeating_it_changes_nothing(home: Household) -> None:
    home.fund(5)
    alice = home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    open_ = alice.call("update_account", **where)
    frozen = alice.call("freeze_account", **where)
    assert frozen == {**open_, "status": "frozen"}
    assert alice.call("freeze_account", **where) == frozen
    assert alice.call("get_balance", **where)["posted"] == 5
    others = alice.query("select distinct status from ledger.accounts where name <> 'bank'")
    assert others == [{"status": "open"}]


def test_owners_only(home: Household) -> None:
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert answers(home, "freeze_account", **where) == OWNERS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    assert_refused(
        home,
        alice,
        "freeze_account",
        {"book_id": home.book_id, "account_id": home.accounts["bank"]},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "account_not_found"),
            ({"account_id": None}, "account_not_found"),
            ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
        ],
    )


def test_a_closed_account_stays_closed(home: Household) -> None:
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    alice = home.as_user("alice")
    alice.call("close_account", **where)
    before = home.state()
    assert answer(partial(alice.call, "freeze_account", **where)) == "account_closed"
    assert answer(partial(alice.call, "unfreeze_account", **where)) == "account_closed"
    assert answer(partial(home.pay, alice, "world", "bank", 1)) == "account_closed"
    assert answer(partial(home.pay, alice, "bank", "cash", 1)) == "account_closed"
    assert home.state() == before
