from __future__ import annotations

import uuid
from functools import partial
from typing import Any

import pytest

from tests.callers import OWNERS, answer, answers, assert_refused
from tests.world import MAX, Household, Refused


def test_it_sets_both_limits_and_null_is_none(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    for floor, ceiling, available in (
        (100, 100, 0),
        (-MAX, MAX, MAX),  # 100 more than JSON holds exactly
        (None, 100, None),
        (-50, None, 150),
        (None, None, None),
    ):
        account = alice.call("set_balance_limits", **where, min_balance=floor, max_balance=ceiling)
        limits = account["min_balance"], account["max_balance"], account["available"]
        assert limits == (floor, ceiling, available)
        assert (account["posted"], account["version"]) == (100, 1)


def test_an_asset_without_a_floor_can_be_overdrawn(home: Household) -> None:
    alice = home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    alice.call("set_balance_limits", **where, min_balance=-30, max_balance=None)
    home.pay(alice, "bank", "cash", 30)
    assert answer(partial(home.pay, alice, "bank", "cash", 1)) == "insufficient_funds"
    alice.call("set_balance_limits", **where, min_balance=None, max_balance=None)
    home.pay(alice, "bank", "cash", 10**9)
    home.assert_sound()


def test_a_limit_that_the_balance_breaks_is_refused(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    good = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    before = home.state()
    with pytest.raises(Refused) as below:
        alice.call("set_balance_limits", **good, min_balance=101, max_balance=None)
    assert (below.value.code, below.value.status) == ("insufficient_funds", 422)
    assert (below.value.details["available"], below.value.details["required"]) == (100, 101)
    with pytest.raises(Refused) as above:
        alice.call("set_balance_limits", **good, min_balance=0, max_balance=99)
    assert (above.value.code, above.value.status) == ("limit_exceeded", 422)
    assert (above.value.details["max_balance"], above.value.details["balance"]) == (99, 100)
    assert home.state() == before


def test_owners_only(home: Household) -> None:
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    told = answers(home, "set_balance_limits", **where, min_balance=0, max_balance=None)
    assert told == OWNERS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"book_id": None}, "book_not_found"),
        ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
        ({"book_id": other}, "account_not_found"),
        ({"account_id": None}, "account_not_found"),
        ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
        ({"min_balance": -MAX - 1}, "invalid_argument"),
        ({"min_balance": MAX + 1}, "invalid_argument"),
        ({"max_balance": MAX + 1}, "invalid_argument"),
        ({"min_balance": None, "max_balance": -MAX - 1}, "invalid_argument"),
        ({"min_balance": 11}, "invalid_argument"),
        ({"min_balance": 1}, "insufficient_funds"),
        ({"min_balance": -2, "max_balance": -1}, "limit_exceeded"),
    ]
    good = {
        "book_id": home.book_id,
        "account_id": home.accounts["bank"],
        "min_balance": -10,
        "max_balance": 10,
    }
    assert_refused(home, alice, "set_balance_limits", good, cases)
