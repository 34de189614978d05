"""ledger.release_hold. Races: test_holds_races.py."""

from __future__ import annotations

import uuid
from functools import partial

import pytest

from tests.callers import EDITORS, answer, assert_refused, everybody
from tests.holding import capture, hold, money, overdue, release, rule, state
from tests.world import Household, Refused


def test_it_gives_back_what_is_left(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held, other = hold(home, bob, 30), hold(home, bob, 20)
    capture(home, bob, held, 10, final=False)
    shown = release(home, bob, held)
    assert shown == {**held, "captured": 10, "released": 20, "state": "released"}
    assert money(home) == (90, 20, 70)
    assert state(home, other) == ("pending", 0, 0)
    home.assert_sound()


def test_editors_and_owners_may(home: Household) -> None:
    home.fund(100)
    told = {
        name: answer(partial(release, home, who, hold(home, home.owner(), 1)))
        for name, who in everybody(home).items()
    }
    assert told == EDITORS


def test_only_what_is_pending_can_be_released(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 30)
    release(home, bob, held)
    with pytest.raises(Refused) as told:
        release(home, bob, held)
    assert (told.value.code, told.value.details) == (
        "hold_state",
        {"hold_id": held["id"], "state": "released"},
    )
    assert money(home) == (100, 0, 100)


def test_also_one_that_has_expired_or_whose_accounts_are_frozen(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 30, expires_at="2099-01-01T00:00:00Z")
    overdue(home, held)
    rule(home, "freeze_account", "bank")
    assert release(home, bob, held)["state"] == "released"
    assert money(home) == (100, 0, 100)


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    held = hold(home, alice, 10)
    assert_refused(
        home,
        alice,
        "release_hold",
        {"book_id": home.book_id, "hold_id": held["id"]},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "hold_not_found"),
            ({"hold_id": None}, "hold_not_found"),
            ({"hold_id": uuid.UUID(int=1)}, "hold_not_found"),
        ],
    )
