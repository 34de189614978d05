"""dry_run: everything is decided, nothing is written."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.callers import answer, holder
from tests.stepping import after
from tests.world import Household, Row, Session, refusal

POSTS = (
    *("transfer", "transfer_up_to", "transfer_serializable", "post_transaction"),
    "post_transactions",
)


def post(home: Household, who: Session, function: str, amount: int = 5, **more: Any) -> Row:
    """From the bank to cash; of a batch the receipt of its item."""
    key = {"idempotency_key": more.pop("key")} if "key" in more else {}
    item = home.item("bank", "cash", amount, **key)
    special: dict[str, Row] = {
        "post_transaction": item,
        "post_transactions": {"transactions": [item]},
    }
    sides = {
        "from_account_id": home.accounts["bank"],
        "to_account_id": home.accounts["cash"],
        "amount": amount,
        **key,
    }
    level = "serializable" if function == "transfer_serializable" else "read committed"
    who.query(f"set default_transaction_isolation = '{level}'")
    row = who.call(function, book_id=home.book_id, **special.get(function, sides), **more)
    receipt: Row = row["receipt"] if function == "post_transactions" else row
    return receipt


@pytest.mark.parametrize("function", POSTS)
def test_the_receipt_is_that_of_the_posting_and_nothing_is_stored(
    home: Household, function: str
) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    before = home.state()
    tried = post(home, bob, function, key="k", dry_run=True)
    assert home.state() == before
    assert (tried["transaction_id"], tried["dry_run"], tried["replayed"]) == (None, True, False)
    done = post(home, bob, function, key="k")
    same = ("book_id", "kind", "effective_on", "replayed", "entries")
    assert {name: tried[name] for name in same} == {name: done[name] for name in same}
    home.assert_sound()


@pytest.mark.parametrize("function", POSTS)
def test_a_used_key_gives_the_stored_receipt_without_its_name(
    home: Household, function: str
) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    done = post(home, bob, function, key="k")
    home.pay(bob, "bank", "cash", 1)
    before = home.state()
    tried = post(home, bob, function, key="k", dry_run=True)
    assert tried == {**done, "transaction_id": None, "dry_run": True, "replayed": True}
    told = refusal(post, home, bob, function, 6, key="k", dry_run=True)
    assert told == "idempotency_mismatch"
    assert home.state() == before


@pytest.mark.parametrize("function", POSTS)
def test_what_would_be_refused_is_refused(home: Household, function: str) -> None:
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    book = {"book_id": home.book_id}
    cash = {**book, "account_id": home.accounts["cash"]}
    tried = partial(refusal, post, home, bob, function, dry_run=True)
    if function != "transfer_up_to":
        assert tried(amount=101) == "insufficient_funds"
    assert tried(amount=0) == "invalid_amount"
    alice.call("set_balance_limits", **cash, min_balance=0, max_balance=4)
    assert tried() == "limit_exceeded"
    alice.call("set_balance_limits", **cash, min_balance=0, max_balance=None)
    joint = {"name": "n", "account_ids": [home.accounts["bank"]], "min_total": 96}
    group = alice.call("set_account_group", **book, **joint)
    assert tried() == "group_floor"
    alice.call("remove_account_group", **book, group_id=group["id"])
    alice.call("lock_period", **book, from_date="0001-01-01", to_date="9999-12-31")
    assert tried() == "period_locked"
    alice.call("unlock_period", **book, from_date="0001-01-01", to_date="9999-12-31")
    alice.call("freeze_account", **cash)
    assert tried() == "account_frozen"
    alice.call("unfreeze_account", **cash)
    expect = [{"account_id": home.accounts["bank"], "version": 9}]
    assert tried(expect=expect) == "version_conflict"
    told = refusal(post, home, home.as_user("carol"), function, dry_run=True)
    assert told == "forbidden"
    assert tried() == "none"


@pytest.mark.parametrize("function", POSTS)
def test_it_waits_for_who_is_changing_the_accounts(home: Household, function: str) -> None:
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    told = after(
        alice,
        partial(home.pay, alice, "bank", "cash", 98),
        bob,
        partial(answer, partial(post, home, bob, function, dry_run=True)),
    )
    answers = {"transfer_up_to": "none", "transfer_serializable": "serialization_conflict"}
    assert told == answers.get(function, "insufficient_funds")


def test_a_batch_is_tried_as_a_whole(home: Household) -> None:
    home.fund(10)
    bob = home.as_user("bob")
    before = home.state()
    items = [
        home.item("bank", "cash", 6),
        home.item("bank", "cash", 6),
        home.item("bank", "cash", 4),
    ]
    batch = partial(bob.rows, "post_transactions", book_id=home.book_id, transactions=items)
    assert refusal(batch, dry_run=True) == "insufficient_funds"
    results = batch(mode="per_item", dry_run=True)
    assert [r["error_code"] for r in results] == [None, "insufficient_funds", None]
    assert results[2]["receipt"]["entries"][0]["balance_after"] == 0
    assert home.state() == before


def test_a_holder_is_shown_her_own_lines(home: Household) -> None:
    home.fund(100)
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    home.as_user("alice").call("update_account", **cash, payable=True)
    heidi = holder(home)
    for function in POSTS:
        tried = post(home, heidi, function, dry_run=True)
        shown = [line["account_id"] for line in tried["entries"]]
        assert (function, shown) == (function, [home.accounts["bank"]])


@pytest.mark.parametrize("function", POSTS)
def test_null_is_no_dry_run(home: Household, function: str) -> None:
    home.fund(100)
    assert post(home, home.as_user("bob"), function, dry_run=None)["dry_run"] is False
    assert home.posted("cash") == 5
    home.assert_sound()


@pytest.mark.parametrize("function", POSTS)
def test_a_group_that_it_meets_keeps_its_version(home: Household, function: str) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    alice.call(
        "set_account_group",
        book_id=home.book_id,
        name="joint",
        account_ids=[home.accounts["bank"], home.accounts["cash"]],
        min_total=0,
    )
    before = home.state()
    post(home, alice, function, dry_run=True)
    assert home.state() == before
