"""expect: what the caller has read still holds when the posting happens, under its locks."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.callers import assert_refused, holder
from tests.stepping import after
from tests.world import Household, Refused, Row, Session, refusal

POSTS = (
    *("transfer", "transfer_up_to", "transfer_serializable", "post_transaction"),
    "post_transactions",
)


def post(home: Household, who: Session, function: str, **more: Any) -> Row:
    """5 from the bank to cash, at the level that the function declares."""
    special: dict[str, Row] = {
        "post_transaction": {"entries": home.lines(bank=-5, cash=5)},
        "post_transactions": {"transactions": [home.item("bank", "cash", 5)]},
    }
    sides = {
        "from_account_id": home.accounts["bank"],
        "to_account_id": home.accounts["cash"],
        "amount": 5,
    }
    level = "serializable" if function == "transfer_serializable" else "read committed"
    who.query(f"set default_transaction_isolation = '{level}'")
    try:
        return who.call(function, book_id=home.book_id, **special.get(function, sides), **more)
    finally:
        if not who.connection.info.transaction_status:
            who.query("reset default_transaction_isolation")


def on(home: Household, account: str, **conditions: int) -> Row:
    return {"account_id": home.accounts[account], **conditions}


@pytest.mark.parametrize("function", POSTS)
def test_each_condition_refuses_a_stale_reading(home: Household, function: str) -> None:
    home.fund(100)
    home.fund(20)
    bob = home.as_user("bob")
    before = home.state()
    for conditions in (
        {"version": 1},
        {"version": 3},
        {"posted_eq": 119},
        {"posted_eq": 121},
        {"available_gte": 121},
        {"version": 2, "posted_eq": 119},
        {"version": 1, "posted_eq": 120, "available_gte": 120},
    ):
        with pytest.raises(Refused) as refused:
            post(home, bob, function, expect=[on(home, "bank", **conditions)])
        assert (conditions, refused.value.code) == (conditions, "version_conflict")
        assert refused.value.details == {
            "account_id": home.accounts["bank"],
            "version": 2,
            "posted": 120,
            "available": 120,
        }
    assert home.state() == before
    good = [on(home, "bank", version=2, posted_eq=120, available_gte=120)]
    post(home, bob, function, expect=[*good, on(home, "cash", posted_eq=0)])
    assert home.posted("cash") == 5
    home.assert_sound()


@pytest.mark.parametrize("function", POSTS)
def test_every_expectation_has_to_hold(home: Household, function: str) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    stale, good = on(home, "yen", version=1), on(home, "bank", version=1)
    for expect in ([good, stale], [stale, good]):
        assert refusal(post, home, bob, function, expect=expect) == "version_conflict"


def test_without_a_floor_everything_is_available(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    post(home, bob, "transfer", expect=[on(home, "world", available_gte=10**15)])


@pytest.mark.parametrize("function", POSTS)
def test_bad_expectations_are_refused_by_code(home: Household, function: str) -> None:
    home.fund(100)
    before = home.state()
    bob = home.as_user("bob")
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    foreign = alice.call("open_account", book_id=other, name="x", type="equity", currency="EUR")
    before = home.state()
    for expectation, code in (
        ({}, "invalid_argument"),
        ({"version": 1}, "invalid_argument"),
        (on(home, "bank"), "invalid_argument"),
        ({"account_id": foreign["id"], "version": 0}, "account_not_found"),
    ):
        told = refusal(post, home, bob, function, expect=[expectation])
        assert (expectation, told) == (expectation, code)
    many = [on(home, "bank", version=1)] * 1001
    assert refusal(post, home, bob, function, expect=many) == "invalid_argument"
    assert home.state() == before
    post(home, bob, function, expect=[])


@pytest.mark.parametrize("function", POSTS)
@pytest.mark.parametrize("account", ["bank", "cash", "yen"])
def test_the_account_of_an_expectation_is_locked_also_where_it_is_no_party(
    home: Household, function: str, account: str
) -> None:
    """Whoever changes it first is waited for, and seen."""
    home.accounts["abroad"] = home.as_user("alice").call(
        "open_account", book_id=home.book_id, name="abroad", type="equity", currency="JPY"
    )["id"]
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    version = {"bank": 1, "cash": 0, "yen": 0}[account]
    giver = "abroad" if account == "yen" else "world"
    told = after(
        alice,
        partial(home.pay, alice, giver, account, 1),
        bob,
        partial(refusal, post, home, bob, function, expect=[on(home, account, version=version)]),
    )
    # At serializable the account may have changed since the snapshot: that is told first.
    serializable = function == "transfer_serializable"
    assert told == ("serialization_conflict" if serializable else "version_conflict")


@pytest.mark.parametrize("function", POSTS)
def test_what_was_expected_stays_so_until_the_posting_ends(home: Household, function: str) -> None:
    home.accounts["abroad"] = home.as_user("alice").call(
        "open_account", book_id=home.book_id, name="abroad", type="equity", currency="JPY"
    )["id"]
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    if function == "transfer_serializable":
        bob.query("set default_transaction_isolation = 'serializable'")
    expect = [on(home, "yen", version=0)]
    after(
        bob,
        partial(post, home, bob, function, expect=expect),
        alice,
        partial(home.pay, alice, "abroad", "yen", 1),
    )
    home.assert_sound()


def test_expect_is_part_of_the_request_and_a_replay_is_not_compared_again(
    home: Household,
) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    expect = [on(home, "bank", version=1)]
    for function in ("transfer", "transfer_up_to", "post_transaction"):
        version = home.owner().call(
            "get_balance", book_id=home.book_id, account_id=home.accounts["bank"]
        )["version"]
        expect = [on(home, "bank", version=version)]
        first = post(home, bob, function, expect=expect, idempotency_key=function)
        again = post(home, bob, function, expect=expect, idempotency_key=function)
        assert again == {**first, "replayed": True}
        told = refusal(post, home, bob, function, idempotency_key=function)
        assert (function, told) == (function, "idempotency_mismatch")


def test_a_batch_expects_once_before_its_first_item(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    items = [home.item("bank", "cash", 5, idempotency_key=key) for key in "ab"]
    arguments: Row = {
        "book_id": home.book_id,
        "transactions": items,
        "expect": [on(home, "bank", version=1, posted_eq=100)],
    }
    for mode in ("atomic", "per_item"):
        # The second time it replays: what was expected then was compared then.
        results = bob.rows("post_transactions", **arguments, mode=mode)
        assert [r["receipt"]["replayed"] for r in results] == [mode == "per_item"] * 2
    arguments["transactions"] = [*items, home.item("bank", "cash", 5)]
    for mode in ("atomic", "per_item"):
        told = refusal(bob.rows, "post_transactions", **arguments, mode=mode)
        assert told == "version_conflict"
    assert home.posted("cash") == 10


def test_a_holder_asks_only_of_accounts_that_she_may_spend_from(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    alice.call("update_account", **cash, payable=True)
    heidi = holder(home)
    for function in POSTS:
        for account, code in (("world", "account_not_found"), ("cash", "account_not_found")):
            expect = [on(home, account, posted_eq=1)]
            told = refusal(post, home, heidi, function, expect=expect)
            assert (function, account, told) == (function, account, code)


def test_expectations_are_refused_before_anything_is_written(home: Household) -> None:
    home.fund(100)
    assert_refused(
        home,
        home.as_user("bob"),
        "post_transaction",
        {
            "book_id": home.book_id,
            "entries": home.lines(bank=-5, cash=5),
            "idempotency_key": "k",
        },
        [({"expect": [on(home, "bank", version=9)]}, "version_conflict")],
    )
