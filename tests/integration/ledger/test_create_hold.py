"""ledger.create_hold: one call, its refusals, its repeats. Races: test_holds_races.py."""

from __future__ import annotations

import datetime as dt
import uuid
from functools import partial
from typing import Any

import pytest

from tests.callers import POSTERS, answer, answers, assert_refused, holder
from tests.holding import capture, group, hold, money, now, open_account, overdue, release, rule
from tests.stepping import after
from tests.world import MAX, Household, Refused, Row


def _soon() -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()


def _good(home: Household) -> Row:
    return {
        "book_id": home.book_id,
        "account_id": home.accounts["bank"],
        "to_account_id": home.accounts["cash"],
        "amount": 10,
    }


def test_it_sets_money_aside_and_posts_nothing(home: Household) -> None:
    home.fund(100)
    soon = _soon()
    held = hold(
        home, home.as_user("bob"), 30, expires_at=soon, description="Hotel", metadata={"a": 1}
    )
    assert held == {
        "id": held["id"],
        "book_id": home.book_id,
        "account_id": home.accounts["bank"],
        "to_account_id": home.accounts["cash"],
        "amount": 30,
        "captured": 0,
        "released": 0,
        "expires_at": held["expires_at"],
        "state": "pending",
        "description": "Hotel",
        "metadata": {"a": 1},
        "created_by": home.users["bob"],
        "created_at": held["created_at"],
    }
    assert dt.datetime.fromisoformat(held["expires_at"]) == dt.datetime.fromisoformat(soon)
    assert money(home) == (100, 30, 70)
    seen = home.as_user("carol").query("select to_json(h) as h from ledger.holds as h")
    assert [row["h"] for row in seen] == [held]
    account = home.owner().call(
        "get_balance", book_id=home.book_id, account_id=home.accounts["bank"]
    )
    assert account["version"] == 1
    home.assert_sound()


def test_editors_owners_and_holders_may(home: Household) -> None:
    home.fund(100)
    rule(home, "update_account", "cash", payable=True)
    assert answers(home, "create_hold", **_good(home)) == POSTERS


def test_a_holder_gives_what_she_may_spend_and_to_whom_she_may_pay(home: Household) -> None:
    home.fund(100)
    heidi = holder(home)
    assert answer(partial(hold, home, heidi, 1)) == "account_not_found"
    rule(home, "update_account", "cash", payable=True)
    assert hold(home, heidi, 1)["state"] == "pending"
    assert answer(partial(hold, home, heidi, 1, "world", "cash")) == "account_not_found"
    assert answer(partial(hold, home, heidi, 1, "cash", "bank")) == "account_not_found"
    assert len(heidi.query("select 1 as one from ledger.holds")) == 1
    heidi = holder(home, access="view")
    assert answer(partial(hold, home, heidi, 1)) == "forbidden"


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    open_account(home, "hot", slots=2)
    nobody = uuid.UUID(int=1)
    assert_refused(
        home,
        alice,
        "create_hold",
        _good(home),
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": nobody}, "book_not_found"),
            ({"book_id": other}, "account_not_found"),
            ({"account_id": None}, "account_not_found"),
            ({"account_id": nobody}, "account_not_found"),
            ({"to_account_id": None}, "account_not_found"),
            ({"to_account_id": nobody}, "account_not_found"),
            ({"to_account_id": home.accounts["bank"]}, "same_account"),
            ({"to_account_id": home.accounts["yen"]}, "currency_mismatch"),
            ({"account_id": home.accounts["hot"]}, "invalid_argument"),
            ({"amount": None}, "invalid_amount"),
            ({"amount": 0}, "invalid_amount"),
            ({"amount": -1}, "invalid_amount"),
            ({"amount": MAX + 1}, "invalid_amount"),
            ({"amount": 10001}, "insufficient_funds"),
            ({"expires_at": "2020-01-01T00:00:00Z"}, "invalid_argument"),
            ({"expires_at": "infinity"}, "invalid_argument"),
            ({"expires_at": "-infinity"}, "invalid_argument"),
            ({"expires_at": "12000-01-01T00:00:00Z"}, "invalid_argument"),
            ({"description": "d" * 1001}, "invalid_argument"),
            ({"metadata": {"k": "v" * 16384}}, "invalid_argument"),
            ({"metadata": "[]"}, "invalid_argument"),
        ],
    )


def test_the_last_cent_can_be_held_and_not_one_more(home: Household) -> None:
    home.fund(100)
    rule(home, "set_balance_limits", "bank", min_balance=20, max_balance=None)
    bob = home.as_user("bob")
    hold(home, bob, 50)
    with pytest.raises(Refused) as told:
        hold(home, bob, 31)
    assert (told.value.code, told.value.details) == (
        "insufficient_funds",
        {"account_id": home.accounts["bank"], "available": 30, "required": 31},
    )
    hold(home, bob, 30)
    assert answer(partial(home.pay, bob, "bank", "cash", 1)) == "insufficient_funds"
    assert money(home) == (100, 80, 0)
    home.assert_sound()


def test_without_a_floor_any_amount_that_json_holds_can_be_held(home: Household) -> None:
    bob = home.as_user("bob")
    hold(home, bob, MAX, "world")
    assert money(home, "world") == (0, MAX, None)
    assert answer(partial(hold, home, bob, 1, "world")) == "amount_out_of_range"


@pytest.mark.parametrize("account", ["bank", "cash"])
def test_both_accounts_have_to_be_open(home: Household, account: str) -> None:
    bob = home.as_user("bob")
    rule(home, "set_balance_limits", "bank", min_balance=None, max_balance=None)
    rule(home, "freeze_account", account)
    with pytest.raises(Refused) as told:
        hold(home, bob, 1)
    assert (told.value.code, told.value.details) == (
        "account_frozen",
        {"account_id": home.accounts[account]},
    )
    rule(home, "unfreeze_account", account)
    rule(home, "close_account", account)
    assert answer(partial(hold, home, bob, 1)) == "account_closed"


def test_joint_floors_count_what_is_held(home: Household) -> None:
    home.fund(100)
    open_account(home, "loan")
    joint = group(home, 40, "bank", "loan")
    bob = home.as_user("bob")
    with pytest.raises(Refused) as told:
        hold(home, bob, 61, "loan")
    assert (told.value.code, told.value.details) == (
        "group_floor",
        {"group_id": joint["id"], "available": 60, "required": 61},
    )
    hold(home, bob, 60, "loan")
    assert answer(partial(hold, home, bob, 1)) == "group_floor"
    assert answer(partial(home.pay, bob, "bank", "cash", 1)) == "group_floor"
    home.assert_sound()


class TestIds:
    def test_a_repeat_returns_the_hold_as_it_is_now(self, home: Household) -> None:
        home.fund(100)
        bob, own = home.as_user("bob"), str(uuid.uuid4())
        held = hold(home, bob, 30, id=own, metadata={"n": None})
        assert held["id"] == own
        again = partial(hold, home, home.as_user("alice"), 30, id=own, metadata={"n": None})
        assert again() == held
        capture(home, bob, held, 10, final=False)
        assert again() == {**held, "captured": 10}
        release(home, bob, held)
        assert again() == {**held, "captured": 10, "released": 20, "state": "released"}
        assert money(home) == (90, 0, 90)

    def test_a_repeat_is_answered_whatever_has_happened_since(self, home: Household) -> None:
        home.fund(30)
        bob, more = home.as_user("bob"), {"id": str(uuid.uuid4()), "expires_at": _soon()}
        held = hold(home, bob, 30, **more)
        rule(home, "freeze_account", "bank")
        rule(home, "freeze_account", "cash")
        assert hold(home, bob, 30, **more) == held
        overdue(home, held)
        assert hold(home, bob, 30, **more) == now(home, held)

    def test_the_zone_of_the_session_does_not_matter(self, home: Household) -> None:
        home.fund(30)
        bob, more = home.as_user("bob"), {"id": str(uuid.uuid4()), "expires_at": _soon()}
        hold(home, bob, 30, **more)
        bob.query("set timezone = 'Asia/Tokyo'")
        assert hold(home, bob, 30, **more)["id"] == more["id"]

    @pytest.mark.parametrize(
        "change",
        [{"amount": 31}, {"taker": "world"}, {"description": "d"}, {"metadata": {"a": 1}}],
        ids=lambda change: next(iter(change)),
    )
    def test_another_request_under_the_id_is_refused(
        self, home: Household, change: dict[str, Any]
    ) -> None:
        home.fund(100)
        bob, own = home.as_user("bob"), str(uuid.uuid4())
        hold(home, bob, 30, id=own)
        before = home.state()
        again = partial(hold, home, bob, **{"amount": 30, "id": own, **change})
        assert answer(again) == "idempotency_mismatch"
        assert home.state() == before
        assert money(home) == (100, 30, 70)

    def test_another_expiry_under_the_id_is_refused(self, home: Household) -> None:
        home.fund(100)
        bob, own = home.as_user("bob"), str(uuid.uuid4())
        hold(home, bob, 30, id=own)
        again = partial(hold, home, bob, 30, id=own, expires_at=_soon())
        assert answer(again) == "idempotency_mismatch"

    @pytest.mark.parametrize("commit", [True, False], ids=["kept", "undone"])
    def test_a_duplicate_waits_for_the_first(self, home: Household, commit: bool) -> None:
        home.fund(30)
        alice, bob, own = home.as_user("alice"), home.as_user("bob"), str(uuid.uuid4())
        second = after(
            alice,
            partial(hold, home, alice, 30, id=own),
            bob,
            partial(hold, home, bob, 30, id=own),
            commit=commit,
        )
        assert second["created_by"] == home.users["alice" if commit else "bob"]
        assert money(home) == (30, 30, 0)

    def test_a_duplicate_from_another_account_waits_too(self, home: Household) -> None:
        home.fund(30)
        home.fund(30, "cash")
        alice, bob, own = home.as_user("alice"), home.as_user("bob"), str(uuid.uuid4())
        told = after(
            alice,
            partial(hold, home, alice, 30, id=own),
            bob,
            lambda: answer(partial(hold, home, bob, 30, "cash", "bank", id=own)),
        )
        assert told == "idempotency_mismatch"
        assert money(home, "cash") == (30, 0, 30)

    def test_a_duplicate_that_waits_too_long_is_busy(self, home: Household) -> None:
        home.fund(30)
        home.fund(30, "cash")
        alice, bob, own = home.as_user("alice"), home.as_user("bob"), str(uuid.uuid4())
        alice.query("begin")
        hold(home, alice, 30, id=own)
        assert answer(partial(hold, home, bob, 30, "cash", "bank", id=own)) == "busy"
        alice.query("rollback")
