from __future__ import annotations

import uuid

from tests.callers import READERS, answers, assert_refused
from tests.world import Household


def test_it_returns_the_balance_of_now(home: Household) -> None:
    carol, alice = home.as_user("carol"), home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    empty = {
        "account_id": home.accounts["bank"],
        "currency": "EUR",
        "posted": 0,
        "held": 0,
        "available": 0,
        "version": 0,
    }
    assert carol.call("get_balance", **where) == empty
    home.fund(100)
    home.pay(alice, "bank", "cash", 30)
    now = {**empty, "posted": 70, "available": 70, "version": 2}
    assert carol.call("get_balance", **where) == now

    alice.call("set_balance_limits", **where, min_balance=-30, max_balance=None)
    assert carol.call("get_balance", **where) == {**now, "available": 100}
    alice.call("set_balance_limits", **where, min_balance=None, max_balance=None)
    assert carol.call("get_balance", **where) == {**now, "available": None}

    world = {**where, "account_id": home.accounts["world"]}
    outside = carol.call("get_balance", **world)
    assert (outside["posted"], outside["available"]) == (-100, None)


def test_viewers_and_up(home: Household) -> None:
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert answers(home, "get_balance", **where) == READERS


def test_bad_input_is_refused_by_code(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    assert_refused(
        home,
        alice,
        "get_balance",
        {"book_id": home.book_id, "account_id": home.accounts["bank"]},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "account_not_found"),
            ({"account_id": None}, "account_not_found"),
            ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
        ],
    )
