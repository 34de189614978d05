"""ledger.transfer_up_to: what is there, but no more than asked. The rest: test_transfer.py."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.callers import POSTERS, answers, assert_refused, holder
from tests.stepping import after
from tests.world import MAX, Household, Row, Session, refusal


def up_to(home: Household, who: Session, amount: int, **more: object) -> Row:
    """Move up to this amount from the bank to cash."""
    arguments: Row = {
        "book_id": home.book_id,
        "from_account_id": home.accounts["bank"],
        "to_account_id": home.accounts["cash"],
        "amount": amount,
        **more,
    }
    return who.call("transfer_up_to", **arguments)


def moved(receipt: Row) -> int:
    return -int(receipt["entries"][0]["amount"])


@pytest.mark.parametrize(("asked", "given"), [(99, 99), (100, 100), (101, 100), (MAX, 100)])
def test_it_moves_the_smaller_of_amount_and_available(
    home: Household, asked: int, given: int
) -> None:
    home.fund(100)
    receipt = up_to(home, home.as_user("bob"), asked)
    assert (receipt["kind"], moved(receipt)) == ("transfer", given)
    assert (home.posted("bank"), home.posted("cash")) == (100 - given, given)
    home.assert_sound()


def test_available_is_what_is_above_the_floor(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    bank = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    alice.call("set_balance_limits", **bank, min_balance=30, max_balance=None)
    assert moved(up_to(home, alice, 100)) == 70
    alice.call("set_balance_limits", **bank, min_balance=-5, max_balance=None)
    assert moved(up_to(home, alice, 100)) == 35
    alice.call("set_balance_limits", **bank, min_balance=None, max_balance=None)
    assert moved(up_to(home, alice, 1000)) == 1000


def test_where_nothing_is_available_it_is_refused(home: Household) -> None:
    before = home.state()
    bob = home.as_user("bob")
    assert refusal(up_to, home, bob, 1, idempotency_key="k") == "insufficient_funds"
    assert home.state() == before
    home.fund(5)
    assert moved(up_to(home, bob, 9, idempotency_key="k")) == 5


def test_the_ceiling_and_the_joint_floor_are_not_made_to_fit(home: Household) -> None:
    """They are refusals: only what the giver has is filled up."""
    home.fund(100)
    alice = home.as_user("alice")
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    alice.call("set_balance_limits", **cash, min_balance=0, max_balance=60)
    assert refusal(up_to, home, alice, 100) == "limit_exceeded"
    alice.call("set_balance_limits", **cash, min_balance=0, max_balance=None)
    joint = {"account_ids": [home.accounts["bank"]], "min_total": 40}
    alice.call("set_account_group", book_id=home.book_id, name="joint", **joint)
    assert refusal(up_to, home, alice, 100) == "group_floor"
    assert moved(up_to(home, alice, 60)) == 60


def test_a_repeat_moves_nothing_more_whatever_is_there_by_then(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    first = up_to(home, bob, 150, idempotency_key="k")
    home.fund(100)
    assert up_to(home, bob, 150, idempotency_key="k") == {**first, "replayed": True}
    assert refusal(up_to, home, bob, 100, idempotency_key="k") == "idempotency_mismatch"
    assert refusal(home.pay, bob, "bank", "cash", 150, idempotency_key="k") == (
        "idempotency_mismatch"
    )
    assert home.posted("cash") == 100


def test_it_takes_what_is_there_once_it_has_waited(home: Household) -> None:
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    receipt = after(
        alice,
        lambda: home.pay(alice, "bank", "cash", 70),
        bob,
        lambda: up_to(home, bob, 100),
    )
    assert moved(receipt) == 30


def test_many_at_once_take_exactly_what_is_there(home: Household) -> None:
    home.fund(100)
    sessions = [home.as_user("bob") for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        told = Counter(pool.map(lambda who: refusal(up_to, home, who, 30), sessions))
    assert told == {"none": 4, "insufficient_funds": 6}
    assert home.posted("bank") == 0
    home.assert_sound()


def test_a_dry_run_says_how_much(home: Household) -> None:
    home.fund(100)
    before = home.state()
    receipt = up_to(home, home.as_user("bob"), 150, dry_run=True)
    assert (moved(receipt), receipt["dry_run"], receipt["transaction_id"]) == (100, True, None)
    assert home.state() == before


def test_who_may_move(home: Household) -> None:
    home.fund(100)
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    home.as_user("alice").call("update_account", **cash, payable=True)
    told = answers(
        home,
        "transfer_up_to",
        book_id=home.book_id,
        from_account_id=home.accounts["bank"],
        to_account_id=home.accounts["cash"],
        amount=1,
    )
    assert told == POSTERS
    assert moved(up_to(home, holder(home), 1000)) == 100 - 5


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    home.fund(100)
    assert_refused(
        home,
        home.as_user("alice"),
        "transfer_up_to",
        {
            "book_id": home.book_id,
            "from_account_id": home.accounts["bank"],
            "to_account_id": home.accounts["cash"],
            "amount": 1,
        },
        [
            ({"amount": 0}, "invalid_amount"),
            ({"amount": -1}, "invalid_amount"),
            ({"amount": MAX + 1}, "invalid_amount"),
            ({"amount": None}, "invalid_amount"),
            ({"to_account_id": home.accounts["bank"]}, "same_account"),
            ({"to_account_id": home.accounts["yen"]}, "currency_mismatch"),
            ({"to_account_id": None}, "account_not_found"),
            ({"book_id": None}, "book_not_found"),
            ({"idempotency_key": ""}, "invalid_argument"),
        ],
    )
