"""Each change of the rules and each function that posts, stepped in both orders; and holders."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.callers import answer, holder
from tests.conftest import Cluster
from tests.integration.ledger.test_changes_and_postings import CHANGES, Change
from tests.stepping import after
from tests.world import Household, Row, Session, household

POSTS = (
    *("transfer", "transfer_up_to", "post_transaction", "post_transactions", "create_hold"),
    *("capture_hold", "reverse_transaction", "exchange"),
)
HOLDER_POSTS = POSTS[:5]
# What does not meet: nobody waits, nothing is refused.
APART = {
    # A hold asks of its taker only that it is there: the capture asks the rest.
    ("create_hold", "freeze the taker"),
    ("create_hold", "lower the ceiling"),
    ("exchange", "freeze the taker"),
    ("exchange", "lower the ceiling"),
    # What is held is not available, so these are refused before the capture as well.
    ("capture_hold", "raise the floor"),
    ("capture_hold", "set a joint floor"),
}
POSTING_TOLD = {
    # It takes what is left above the floor.
    ("transfer_up_to", "raise the floor"): "none",
    # A hold books nothing.
    ("create_hold", "lock the period"): "none",
    # Nothing for a holder, whatever she holds.
    ("capture_hold", "demote to holder"): "forbidden",
    ("reverse_transaction", "demote to holder"): "forbidden",
    ("exchange", "demote to holder"): "forbidden",
}
PAIRS = [(post, change) for post in POSTS for change in CHANGES if (post, change) not in APART]
PAYABLE = {"account_id": "cash", "payable": False}
HOLDER_CHANGES = {
    "view only": Change(
        "set_holder",
        {"account_id": "bank", "user_id": "heidi", "access": "view"},
        "none",
        "forbidden",
    ),
    "take the account": Change(
        "remove_holder", {"account_id": "bank", "user_id": "heidi"}, "none", "book_not_found"
    ),
    "make a viewer": Change(
        "set_member", {"user_id": "heidi", "role": "viewer"}, "none", "forbidden"
    ),
    "remove": Change("remove_member", {"user_id": "heidi"}, "none", "book_not_found"),
    "not payable": Change("update_account", PAYABLE, "none", "account_not_found"),
}


@pytest.fixture
def home(newest: Cluster) -> Iterator[Household]:
    """On one Postgres: test_changes_and_postings.py runs on each."""
    database = newest.database("ledger")
    with household(database) as made:
        yield made
    newest.drop(database)


def _post(home: Household, who: Session, function: str) -> partial[list[Row]]:
    """A posting of 60 from the bank, which has 100, to cash; all that it needs is there."""
    alice = home.as_user("alice")
    bank, cash = home.accounts["bank"], home.accounts["cash"]
    item = home.item("bank", "cash", 60)
    sides = {"from_account_id": bank, "to_account_id": cash}
    hold = {"account_id": bank, "to_account_id": cash, "amount": 60}
    arguments: Row
    if function == "reverse_transaction":
        home.fund(40)
        home.fund(60, "cash")
        arguments = {"transaction_id": home.pay(alice, "cash", "bank", 60)["transaction_id"]}
        return partial(who.rows, function, book_id=home.book_id, **arguments)
    home.fund(100)
    if function == "capture_hold":
        arguments = {"hold_id": alice.call("create_hold", book_id=home.book_id, **hold)["id"]}
    else:
        special: dict[str, Row] = {
            "post_transaction": item,
            "post_transactions": {"transactions": [item]},
            "create_hold": hold,
            "exchange": {
                "from_account_id": bank,
                "to_account_id": home.accounts["yen"],
                "sell_amount": 60,
                "buy_amount": 9000,
            },
        }
        arguments = special.get(function, {**sides, "amount": 60})
    return partial(who.rows, function, book_id=home.book_id, **arguments)


def _money(home: Household) -> list[Any]:
    return home.owner().query(
        "select account_id, slot, posted, held, version from ledger_private.balances order by 1, 2"
    )


@pytest.mark.parametrize(("function", "name"), PAIRS)
def test_a_change_waits_for_the_posting_and_then_sees_it(
    home: Household, function: str, name: str
) -> None:
    alice, bob = home.as_user("alice"), home.as_user("bob")
    post = _post(home, bob, function)
    change = partial(answer, CHANGES[name].of(home, alice))
    assert after(bob, post, alice, change) == CHANGES[name].told
    home.assert_sound()


@pytest.mark.parametrize(("function", "name"), PAIRS)
def test_a_posting_waits_for_the_change_and_then_sees_it(
    home: Household, function: str, name: str
) -> None:
    alice, bob = home.as_user("alice"), home.as_user("bob")
    post = partial(answer, _post(home, bob, function))
    before = _money(home)
    expected = POSTING_TOLD.get((function, name), CHANGES[name].posting_told)
    assert after(alice, CHANGES[name].of(home, alice), bob, post) == expected
    assert (_money(home) == before) == (expected != "none")
    home.assert_sound()


@pytest.mark.parametrize("function", HOLDER_POSTS)
@pytest.mark.parametrize("name", HOLDER_CHANGES)
def test_a_change_of_a_holder_waits_for_her_posting(
    home: Household, function: str, name: str
) -> None:
    alice, heidi = home.as_user("alice"), _heidi(home)
    post = _post(home, heidi, function)
    change = partial(answer, HOLDER_CHANGES[name].of(home, alice))
    assert after(heidi, post, alice, change) == HOLDER_CHANGES[name].told
    home.assert_sound()


@pytest.mark.parametrize("function", HOLDER_POSTS)
@pytest.mark.parametrize("name", HOLDER_CHANGES)
def test_a_holders_posting_waits_for_the_change(home: Household, function: str, name: str) -> None:
    alice, heidi = home.as_user("alice"), _heidi(home)
    post = partial(answer, _post(home, heidi, function))
    before = _money(home)
    change = HOLDER_CHANGES[name]
    assert after(alice, change.of(home, alice), heidi, post) == change.posting_told
    assert _money(home) == before


def _heidi(home: Household) -> Session:
    """She may spend from the bank, and anybody may pay into cash."""
    alice = home.as_user("alice")
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    alice.call("update_account", **cash, payable=True)
    return holder(home, "bank")


@pytest.mark.parametrize("function", [post for post in POSTS if post != "capture_hold"])
@pytest.mark.parametrize("rule", ["period", "group"])
def test_a_posting_waits_for_a_rule_to_go_and_then_passes(
    home: Household, function: str, rule: str
) -> None:
    alice, bob = home.as_user("alice"), home.as_user("bob")
    post = partial(answer, _post(home, bob, function))
    book = {"book_id": home.book_id}
    if rule == "group":
        joint = {"name": "n", "account_ids": [home.accounts["bank"]], "min_total": 50}
        group = alice.call("set_account_group", **book, **joint)
        undo = partial(alice.call, "remove_account_group", **book, group_id=group["id"])
    else:
        days = {"from_date": "0001-01-01", "to_date": "9999-12-31"}
        alice.call("lock_period", **book, **days)
        undo = partial(alice.call, "unlock_period", **book, **days)
    assert after(alice, undo, bob, post) == "none"
    home.assert_sound()
