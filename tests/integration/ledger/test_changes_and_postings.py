"""A change of the rules and a posting, stepped in both orders: neither slips past the other.

Whoever comes second waits until the first has committed, and then sees what it has done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.callers import answer
from tests.conftest import Cluster
from tests.stepping import after
from tests.world import Household, Refused, Row, Session, household


class Change(NamedTuple):
    function: str
    arguments: dict[str, Any]
    told: str
    """What it is told after a posting of 60 out of 100."""
    posting_told: str
    """What that posting is told after it."""

    def of(self, home: Household, who: Session) -> partial[Row]:
        """The call, with accounts and users by name."""
        arguments = {"book_id": home.book_id, **self.arguments}
        if "account_id" in arguments:
            arguments["account_id"] = home.accounts[arguments["account_id"]]
        if "user_id" in arguments:
            arguments["user_id"] = home.user(arguments["user_id"])
        if "account_ids" in arguments:
            arguments["account_ids"] = [home.accounts[name] for name in arguments["account_ids"]]
        return partial(who.call, self.function, **arguments)


DAYS = {"from_date": "0001-01-01", "to_date": "9999-12-31"}
JOINT = {"name": "Joint", "account_ids": ["bank"], "min_total": 50}
FLOOR = {"account_id": "bank", "min_balance": 50, "max_balance": None}
CEILING = {"account_id": "cash", "min_balance": 0, "max_balance": 50}
CHANGES = {
    "freeze the giver": Change("freeze_account", {"account_id": "bank"}, "none", "account_frozen"),
    "freeze the taker": Change("freeze_account", {"account_id": "cash"}, "none", "account_frozen"),
    "raise the floor": Change(
        "set_balance_limits", FLOOR, "insufficient_funds", "insufficient_funds"
    ),
    "lower the ceiling": Change("set_balance_limits", CEILING, "limit_exceeded", "limit_exceeded"),
    "archive": Change("update_book", {"archived": True}, "none", "book_archived"),
    "demote": Change("set_member", {"user_id": "bob", "role": "viewer"}, "none", "forbidden"),
    "demote to holder": Change(
        "set_member", {"user_id": "bob", "role": "holder"}, "none", "account_not_found"
    ),
    "remove": Change("remove_member", {"user_id": "bob"}, "none", "book_not_found"),
    "lock the period": Change("lock_period", DAYS, "none", "period_locked"),
    "set a joint floor": Change("set_account_group", JOINT, "group_floor", "group_floor"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_waits_for_the_posting_and_then_sees_it(home: Household, name: str) -> None:
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    change = CHANGES[name].of(home, alice)
    post = partial(home.pay, bob, "bank", "cash", 60)
    assert after(bob, post, alice, partial(answer, change)) == CHANGES[name].told
    assert (home.posted("bank"), home.posted("cash")) == (40, 60)
    home.assert_sound()


@pytest.mark.parametrize("name", CHANGES)
def test_a_posting_waits_for_the_change_and_then_sees_it(home: Household, name: str) -> None:
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    change = CHANGES[name].of(home, alice)
    post = partial(answer, partial(home.pay, bob, "bank", "cash", 60))
    assert after(alice, change, bob, post) == CHANGES[name].posting_told
    assert (home.posted("bank"), home.posted("cash")) == (100, 0)


def test_a_posting_goes_on_when_the_change_is_rolled_back(home: Household) -> None:
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    post = partial(answer, partial(home.pay, bob, "bank", "cash", 60))
    freeze = partial(alice.call, "freeze_account", **where)
    assert after(alice, freeze, bob, post, commit=False) == "none"
    assert home.posted("cash") == 60


def test_changes_of_the_same_things_wait_for_each_other(home: Household) -> None:
    alice, again = home.as_user("alice"), home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    limits = {**where, "min_balance": None, "max_balance": None}
    opened = {"book_id": home.book_id, "name": "n", "type": "asset", "currency": "EUR"}
    archive = partial(alice.call, "update_book", book_id=home.book_id, archived=True)
    pairs: list[tuple[Callable[[], object], str, dict[str, Any], str]] = [
        (partial(alice.call, "freeze_account", **where), "unfreeze_account", where, "none"),
        (partial(alice.call, "freeze_account", **where), "update_account", where, "none"),
        (partial(alice.call, "set_balance_limits", **limits), "freeze_account", where, "none"),
        (archive, "open_account", opened, "book_archived"),
        (archive, "update_account", where, "book_archived"),
    ]
    for hold, function, arguments, told in pairs:
        attempt = partial(answer, partial(again.call, function, **arguments))
        assert after(alice, hold, again, attempt) == told
        alice.call("update_book", book_id=home.book_id, archived=False)


@pytest.fixture
def crowded(newest: Cluster) -> Iterator[Household]:
    """On one Postgres: waiting for a lock takes three seconds, and is the same on each."""
    database = newest.database("ledger")
    with household(database) as made:
        yield made
    newest.drop(database)


def test_who_waits_too_long_is_told_busy_and_may_retry(crowded: Household) -> None:
    home = crowded
    alice = home.as_user("alice")
    home.fund(100)
    book = {"book_id": home.book_id}
    bank, cash, world, yen = (
        {**book, "account_id": home.accounts[name]} for name in ("bank", "cash", "world", "yen")
    )
    other, third, fourth, fifth, sixth, seventh = (
        alice.call("create_book", name=name, base_currency="EUR")["id"] for name in "abcdef"
    )
    dora = {"book_id": other, "user_id": home.user("dora")}
    alice.call("set_member", **dora, role="viewer")
    new_book = {"name": "n", "base_currency": "EUR", "id": home.users["alice"]}
    new_account = {"name": "n", "type": "asset", "currency": "EUR", "id": home.users["alice"]}
    opened, reopened = (
        {
            "book_id": book_id,
            "account_id": alice.call(
                "open_account", book_id=book_id, name="n", type="asset", currency="EUR"
            )["id"],
            "user_id": home.user("erin"),
        }
        for book_id in (sixth, seventh)
    )
    alice.call("set_holder", **opened, access="view")
    alice.call("set_holder", **reopened, access="view")
    held = [
        partial(home.pay, alice, "bank", "cash", 1),
        partial(home.pay, alice, "world", "bank", 1),
        partial(alice.call, "freeze_account", **yen),
        partial(alice.call, "update_book", book_id=other),
        partial(alice.call, "update_book", book_id=third),
        partial(alice.call, "create_book", **new_book),
        partial(alice.call, "open_account", **book, **new_account),
    ]
    # No two of them wait for the same row: a queue has a timeout for each place.
    waiting: list[tuple[str, dict[str, Any]]] = [
        ("freeze_account", bank),
        ("unfreeze_account", cash),
        ("set_balance_limits", {**world, "min_balance": None, "max_balance": None}),
        ("update_account", yen),
        ("set_member", {**dora, "role": "viewer"}),
        ("remove_member", dora),
        ("update_book", {"book_id": third}),
        ("open_account", {**new_account, "book_id": third}),
        ("set_holder", {**bank, **dora, "access": "view"}),
        ("remove_holder", {**bank, **dora}),
        ("set_account_group", {"book_id": other, **JOINT, "account_ids": [bank["account_id"]]}),
        ("remove_account_group", {"book_id": other, "group_id": third}),
        ("lock_period", {"book_id": other, **DAYS}),
        ("unlock_period", {"book_id": other, **DAYS}),
        ("update_account", {**cash, "payable": True}),
        ("open_account", {**book, **new_account}),
        ("create_book", new_book),
        # She is being deleted.
        ("set_member", {"book_id": fourth, "user_id": home.user("erin"), "role": "viewer"}),
        ("remove_member", {"book_id": fifth, "user_id": home.users["erin"]}),
        ("set_holder", {**opened, "access": "spend"}),
        ("remove_holder", reopened),
    ]
    alice.call("set_member", book_id=fifth, user_id=home.users["erin"], role="viewer")

    def refused(call: tuple[str, dict[str, Any]]) -> Refused:
        with pytest.raises(Refused) as told:
            home.as_user("alice").call(call[0], **call[1])
        return told.value

    before = home.state()
    deletion = home.owner()
    deletion.query("begin")
    deletion.query("delete from auth.users where id = %s", [home.users["erin"]])
    alice.query("begin")
    for hold in held:
        hold()
    with ThreadPoolExecutor(len(waiting)) as pool:
        told = list(pool.map(refused, waiting))
    alice.query("rollback")
    deletion.query("rollback")

    assert [(t.code, t.status, t.headers) for t in told] == [
        ("busy", 503, {"Retry-After": "1"})
    ] * len(waiting)
    assert home.state() == before


@pytest.mark.parametrize("name", ["mallory", "carol"])
def test_who_may_not_change_a_book_cannot_stall_it_either(home: Household, name: str) -> None:
    """She is refused before the exclusive lock, not after having waited in its queue."""
    home.fund(100)
    bob, other = home.as_user("bob"), home.as_user(name)
    bob.query("begin")
    home.pay(bob, "bank", "cash", 1)
    other.query("set lock_timeout = '100ms'")
    told = answer(partial(other.call, "update_book", book_id=home.book_id, archived=True))
    assert told == {"mallory": "book_not_found", "carol": "forbidden"}[name]
    bob.query("commit")


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_posting_whose_snapshot_is_older_than_the_change_aborts(
    home: Household, name: str, level: str
) -> None:
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    bob.query(f"begin isolation level {level}")
    bob.query("select 1 as one from ledger.books")
    answer(CHANGES[name].of(home, alice))
    with pytest.raises(psycopg.errors.SerializationFailure):
        home.pay(bob, "bank", "cash", 60)
    bob.query("rollback")
    assert (home.posted("bank"), home.posted("cash")) == (100, 0)


def test_two_owners_cannot_demote_each_other_from_old_snapshots(home: Household) -> None:
    alice, bob = home.as_user("alice"), home.as_user("bob")
    alice.call("set_member", book_id=home.book_id, user_id=home.users["bob"], role="owner")
    bob.query("begin isolation level repeatable read")
    bob.query("select 1 as one from ledger.books")
    alice.call("set_member", book_id=home.book_id, user_id=home.users["bob"], role="viewer")
    with pytest.raises(psycopg.errors.SerializationFailure):
        bob.call("set_member", book_id=home.book_id, user_id=home.users["alice"], role="viewer")
    bob.query("rollback")
