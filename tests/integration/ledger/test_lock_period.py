from __future__ import annotations

import uuid
from functools import partial
from typing import Any

import pytest

from tests.callers import OWNERS, answer, answers, assert_refused
from tests.world import Household, Refused

FLAG = "select has_periods as flag from ledger_private.books where id = %s"
TODAY = "(now() at time zone 'UTC')::date"


def _lock(home: Household, from_date: str, to_date: str) -> dict[str, Any]:
    return home.as_user("alice").call(
        "lock_period", book_id=home.book_id, from_date=from_date, to_date=to_date
    )


def test_it_returns_the_period_and_repeating_it_changes_nothing(home: Household) -> None:
    period = _lock(home, "2026-01-01", "2026-01-31")
    assert period == {
        "book_id": home.book_id,
        "from_date": "2026-01-01",
        "to_date": "2026-01-31",
        "created_at": period["created_at"],
    }
    assert _lock(home, "2026-01-01", "2026-01-31") == period
    overlapping = _lock(home, "2026-01-31", "2026-02-28")
    shown = home.as_user("carol").query(
        "select to_json(p) as p from ledger.periods as p order by from_date"
    )
    assert [row["p"] for row in shown] == [period, overlapping]
    assert home.owner().query(FLAG, [home.book_id])[0]["flag"] is True


def test_no_booking_inside_both_days_included(home: Household) -> None:
    _lock(home, "2026-03-01", "2026-03-31")
    _lock(home, "2026-04-10", "2026-04-10")
    bob = home.as_user("bob")
    expected = {
        "2026-02-28": "none",
        "2026-03-01": "period_locked",
        "2026-03-15": "period_locked",
        "2026-03-31": "period_locked",
        "2026-04-01": "none",
        "2026-04-10": "period_locked",
        "2026-04-11": "none",
    }
    told = {
        day: answer(partial(home.pay, bob, "world", "bank", 1, effective_on=day))
        for day in expected
    }
    assert told == expected
    assert home.posted("bank") == 3
    home.assert_sound()


def test_the_refusal_names_the_period_and_the_date(home: Household) -> None:
    _lock(home, "2026-03-01", "2026-03-31")
    with pytest.raises(Refused) as told:
        home.pay(home.as_user("bob"), "world", "bank", 1, effective_on="2026-03-02")
    assert (told.value.code, told.value.status) == ("period_locked", 423)
    assert told.value.details == {
        "from_date": "2026-03-01",
        "to_date": "2026-03-31",
        "effective_on": "2026-03-02",
    }


def test_a_missing_value_date_is_today(home: Household) -> None:
    today = home.owner().query(f"select {TODAY}::text as today")[0]["today"]
    _lock(home, today, today)
    bob = home.as_user("bob")
    assert answer(partial(home.pay, bob, "world", "bank", 1)) == "period_locked"
    assert answer(partial(home.pay, bob, "world", "bank", 1, effective_on="2026-01-01")) == "none"


def test_a_replay_is_answered_whatever_has_been_locked_since(home: Household) -> None:
    bob = home.as_user("bob")
    words = {"effective_on": "2026-03-02", "idempotency_key": "k"}
    receipt = home.pay(bob, "world", "bank", 1, **words)
    _lock(home, "2026-03-01", "2026-03-31")
    assert home.pay(bob, "world", "bank", 1, **words) == {**receipt, "replayed": True}


def test_another_book_is_not_locked(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    alice.call("lock_period", book_id=other, from_date="0001-01-01", to_date="9999-12-31")
    home.fund(1)
    assert home.owner().query(FLAG, [home.book_id])[0]["flag"] is False


def test_owners_only(home: Household) -> None:
    dates = {"from_date": "2026-01-01", "to_date": "2026-01-31"}
    assert answers(home, "lock_period", book_id=home.book_id, **dates) == OWNERS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    good = {"book_id": home.book_id, "from_date": "2026-01-01", "to_date": "2026-01-31"}
    assert_refused(
        home,
        alice,
        "lock_period",
        good,
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"from_date": None}, "invalid_argument"),
            ({"to_date": None}, "invalid_argument"),
            ({"to_date": "2025-12-31"}, "invalid_argument"),
            ({"from_date": "0001-12-31 BC"}, "invalid_argument"),
            ({"from_date": "-infinity"}, "invalid_argument"),
            ({"to_date": "10000-01-01"}, "invalid_argument"),
            ({"to_date": "infinity"}, "invalid_argument"),
        ],
    )
    assert alice.query("select 1 as one from ledger.periods") == []
    alice.call("update_book", book_id=home.book_id, archived=True)
    assert answer(partial(alice.call, "lock_period", **good)) == "book_archived"


def test_all_of_time_can_be_locked(home: Household) -> None:
    _lock(home, "0001-01-01", "9999-12-31")
    bob = home.as_user("bob")
    for day in ("0001-01-01", "2026-01-01", "9999-12-31"):
        pay = partial(home.pay, bob, "world", "bank", 1, effective_on=day)
        assert answer(pay) == "period_locked"
