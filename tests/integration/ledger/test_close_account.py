"""ledger.close_account. Races: test_reversal_races.py."""

from __future__ import annotations

import uuid
from functools import partial

import pytest

from tests.callers import OWNERS, answer, answers, assert_refused
from tests.holding import close, group, hold, money, open_account, release, rule, swap
from tests.world import Household, Refused

SWEEPS = """
    select e.account_id::text, e.slot, e.amount
    from ledger_private.transactions as t
    inner join ledger_private.entries as e on e.transaction_id = t.id
    where t.kind = 'sweep'
    order by e.leg
"""


def _spread(home: Household, name: str, *amounts: int) -> None:
    """Money in several slots of an account: each amount through a session of its own."""
    for slot, amount in enumerate(amounts):
        while True:
            bob = home.as_user("bob")
            if bob.connection.info.backend_pid % len(amounts) == slot:
                break
        giver, taker = ("world", name) if amount > 0 else (name, "world")
        if amount:
            home.pay(bob, giver, taker, abs(amount))


def test_an_empty_account_is_closed_for_ever(home: Household) -> None:
    home.fund(5)
    alice = home.as_user("alice")
    home.pay(alice, "bank", "cash", 5)
    open_ = rule(home, "update_account", "bank")
    closed = close(home, alice, "bank")
    assert closed == {**open_, "status": "closed", "min_balance": None, "available": None}
    assert close(home, alice, "bank") == closed
    assert close(home, alice, "bank", "cash") == closed
    for attempt in (
        partial(rule, home, "freeze_account", "bank"),
        partial(rule, home, "unfreeze_account", "bank"),
        partial(home.pay, alice, "world", "bank", 1),
        partial(hold, home, alice, 1, "bank", "cash"),
        partial(hold, home, alice, 1, "cash", "bank"),
    ):
        assert answer(attempt) == "account_closed"
    home.assert_sound()


def test_owners_only(home: Household) -> None:
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert answers(home, "close_account", **where) == OWNERS


def test_money_is_swept_in_a_last_posting(home: Household) -> None:
    home.fund(70)
    alice = home.as_user("alice")
    closed = close(home, alice, "bank", "cash")
    assert (closed["status"], closed["posted"], closed["version"]) == ("closed", 0, 2)
    assert (home.posted("bank"), home.posted("cash")) == (0, 70)
    assert [tuple(row.values()) for row in home.owner().query(SWEEPS)] == [
        (home.accounts["bank"], 0, -70),
        (home.accounts["cash"], 0, 70),
    ]
    home.assert_sound()


def test_a_debt_is_swept_too_where_there_is_money_for_it(home: Household) -> None:
    home.fund(70)
    home.fund(30, "cash")
    alice = home.as_user("alice")
    assert answer(partial(close, home, alice, "world", "bank")) == "insufficient_funds"
    home.pay(alice, "cash", "bank", 30)
    close(home, alice, "world", "bank")
    assert home.posted("bank") == 0
    home.assert_sound()


def test_limits_do_not_keep_the_last_of_the_money(home: Household) -> None:
    home.fund(70)
    alice = home.as_user("alice")
    rule(home, "set_balance_limits", "bank", min_balance=50, max_balance=None)
    rule(home, "set_balance_limits", "world", min_balance=None, max_balance=-1)
    before = home.state()
    rule(home, "freeze_account", "cash")
    assert answer(partial(close, home, alice, "bank", "cash")) == "account_frozen"
    rule(home, "unfreeze_account", "cash")
    assert home.state()[0] == before[0]
    closed = close(home, alice, "bank", "cash")
    assert (closed["posted"], closed["min_balance"]) == (0, None)
    assert close(home, alice, "world", "cash")["max_balance"] is None
    home.assert_sound()


def test_without_a_place_to_sweep_to_it_has_to_be_empty(home: Household) -> None:
    home.fund(70)
    alice = home.as_user("alice")
    before = home.state()
    with pytest.raises(Refused) as told:
        close(home, alice, "bank")
    assert (told.value.code, told.value.status) == ("account_not_empty", 409)
    assert told.value.details == {
        "account_id": home.accounts["bank"],
        "posted": 70,
        "held": 0,
    }
    assert home.state() == before


def test_what_is_held_has_to_be_let_go_before(home: Household) -> None:
    home.fund(70)
    alice = home.as_user("alice")
    held = hold(home, alice, 20)
    with pytest.raises(Refused) as told:
        close(home, alice, "bank", "cash")
    assert (told.value.code, told.value.details["held"]) == ("account_not_empty", 20)
    close(home, alice, "cash")
    release(home, alice, held)
    assert close(home, alice, "bank", "world")["status"] == "closed"
    home.assert_sound()


def test_every_slot_is_swept(home: Household) -> None:
    open_account(home, "hot", slots=3)
    _spread(home, "hot", 5, 0, 8)
    alice = home.as_user("alice")
    assert answer(partial(close, home, alice, "hot")) == "account_not_empty"
    assert close(home, alice, "hot", "cash")["posted"] == 0
    assert [tuple(row.values()) for row in home.owner().query(SWEEPS)] == [
        (home.accounts["hot"], 0, -5),
        (home.accounts["hot"], 2, -8),
        (home.accounts["cash"], 0, 13),
    ]
    rows = home.owner().query(
        "select distinct posted, status from ledger_private.balances where account_id = %s",
        [home.accounts["hot"]],
    )
    assert rows == [{"posted": 0, "status": "closed"}]
    home.assert_sound()


def test_slots_that_cancel_out_are_swept_among_themselves(home: Household) -> None:
    open_account(home, "hot", slots=2)
    _spread(home, "hot", 5, -5)
    alice = home.as_user("alice")
    assert answer(partial(close, home, alice, "hot")) == "account_not_empty"
    close(home, alice, "hot", "cash")
    assert [tuple(row.values()) for row in home.owner().query(SWEEPS)] == [
        (home.accounts["hot"], 0, -5),
        (home.accounts["hot"], 1, 5),
    ]
    assert home.posted("cash") == 0
    home.assert_sound()


def test_money_can_be_swept_into_one_of_several_slots(home: Household) -> None:
    home.fund(5)
    open_account(home, "hot", slots=3)
    close(home, home.as_user("alice"), "bank", "hot")
    assert home.posted("hot") == 5
    home.assert_sound()


def test_a_frozen_account_closes_only_when_it_is_empty(home: Household) -> None:
    home.fund(70)
    alice = home.as_user("alice")
    for account in ("bank", "cash"):
        rule(home, "freeze_account", account)
    before = home.state()
    assert answer(partial(close, home, alice, "bank", "world")) == "account_frozen"
    assert home.state() == before
    assert close(home, alice, "cash", "bank")["status"] == "closed"


def test_joint_floors_ceilings_and_periods_hold_for_the_sweep(home: Household) -> None:
    home.fund(70)
    alice = home.as_user("alice")
    group(home, 1, "bank")
    assert answer(partial(close, home, alice, "bank", "cash")) == "group_floor"
    home.fund(70, "cash")
    rule(home, "set_balance_limits", "bank", min_balance=0, max_balance=100)
    assert answer(partial(close, home, alice, "cash", "bank")) == "limit_exceeded"
    alice.call("lock_period", book_id=home.book_id, from_date="2020-01-01", to_date="9999-12-31")
    assert answer(partial(close, home, alice, "cash", "world")) == "period_locked"
    assert money(home, "cash") == (70, 0, 70)


def test_a_conversion_account_can_be_closed_and_ends_exchanges(home: Household) -> None:
    home.fund(70)
    alice = home.as_user("alice")
    swap(home, alice, "bank", "yen", 10, 10)
    home.accounts["pool"] = alice.query(
        "select id::text from ledger.accounts where name = 'Conversion EUR'"
    )[0]["id"]
    close(home, alice, "pool", "bank")
    assert home.posted("bank") == 70
    assert answer(partial(swap, home, alice, "bank", "yen", 10, 10)) == "account_closed"
    home.assert_sound()


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    closed = open_account(home, "old")
    close(home, alice, "old")
    nobody = uuid.UUID(int=1)
    assert_refused(
        home,
        alice,
        "close_account",
        {"book_id": home.book_id, "account_id": home.accounts["bank"], "sweep_to": None},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": nobody}, "book_not_found"),
            ({"book_id": other}, "account_not_found"),
            ({"account_id": None}, "account_not_found"),
            ({"account_id": nobody}, "account_not_found"),
            ({}, "account_not_empty"),
            ({"sweep_to": nobody}, "account_not_found"),
            ({"sweep_to": home.accounts["bank"]}, "same_account"),
            ({"sweep_to": home.accounts["yen"]}, "currency_mismatch"),
            ({"sweep_to": closed}, "account_closed"),
            ({"account_id": home.accounts["cash"], "sweep_to": nobody}, "account_not_found"),
        ],
    )
    alice.call("update_book", book_id=home.book_id, archived=True)
    assert answer(partial(close, home, alice, "cash")) == "book_archived"
