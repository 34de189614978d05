from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.callers import HIDDEN, READERS, answers, assert_refused
from tests.past import post_at
from tests.world import MAX, Household, Row, refusal

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
NEVER = ("-infinity", "infinity", "0001-12-31 23:59:59.999999Z BC", "10000-01-01 00:00Z")
NO_DAYS = ("-infinity", "infinity", "0001-12-31 BC", "10000-01-01")


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


@pytest.fixture
def march(home: Household) -> Household:
    """Three bookings of one noon and the next, the second dated back and the third ahead."""
    post_at(home, NOON, "world", "bank", 100)
    post_at(home, NOON, "bank", "cash", 30, date(2026, 2, 10))
    post_at(home, NOON + timedelta(days=1), "bank", "cash", 5, date(2026, 5, 1))
    return home


def _past(home: Household, account: str = "bank", **moment: Any) -> Row:
    """What a viewer is told of the past, without what never changes."""
    where = {"book_id": home.book_id, "account_id": home.accounts[account]}
    told = home.as_user("carol").call("get_balance", **where, **moment)
    assert (told.pop("account_id"), told.pop("currency")) == (where["account_id"], "EUR")
    assert (told.pop("held"), told.pop("available")) == (None, None)
    return told


def test_a_moment_shows_what_had_been_booked_by_then_itself_included(march: Household) -> None:
    moments = {
        datetime(1, 1, 1, tzinfo=UTC): (0, 0),
        NOON - TICK: (0, 0),
        NOON: (70, 2),
        NOON + timedelta(days=1) - TICK: (70, 2),
        NOON + timedelta(days=1): (65, 3),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC): (65, 3),
    }
    for moment, (posted, version) in moments.items():
        assert _past(march, as_of=moment) == {"posted": posted, "version": version}, moment
    assert _past(march, "cash", as_of=NOON) == {"posted": 30, "version": 1}


def test_a_value_date_shows_all_that_is_dated_up_to_its_end(march: Household) -> None:
    days = {
        "0001-01-01": 0,
        "2026-02-09": 0,
        "2026-02-10": -30,
        "2026-02-28": -30,
        "2026-03-30": -30,
        "2026-03-31": 70,
        "2026-04-01": 70,
        "2026-04-30": 70,
        "2026-05-01": 65,
        "9999-12-31": 65,
    }
    for day, posted in days.items():
        assert _past(march, effective_on=day) == {"posted": posted, "version": None}, day


def test_a_day_is_one_in_utc_wherever_the_caller_is(home: Household) -> None:
    midnight = datetime(2026, 4, 1, tzinfo=UTC)
    post_at(home, midnight - TICK, "world", "bank", 1)
    post_at(home, midnight, "world", "bank", 10)
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles"):
        carol = home.as_user("carol")
        carol.query(f"set time zone '{zone}'")
        for day, posted in (("2026-03-31", 1), ("2026-04-01", 11)):
            assert carol.call("get_balance", **where, effective_on=day)["posted"] == posted


def test_a_transfer_of_now_is_in_the_past_of_later(home: Household) -> None:
    home.fund(100)
    home.pay(home.as_user("bob"), "bank", "cash", 30, effective_on="2020-02-29")
    now = home.owner().query("select clock_timestamp() as now")[0]["now"]
    assert _past(home, as_of=now) == {"posted": 70, "version": 2}
    assert _past(home, effective_on="2020-02-28")["posted"] == 0
    assert _past(home, effective_on="2020-02-29")["posted"] == -30
    assert _past(home, effective_on=now.astimezone(UTC).date())["posted"] == 70


def test_an_account_with_several_slots_is_their_sum_and_has_no_version(home: Household) -> None:
    alice = home.as_user("alice")
    wide = {"book_id": home.book_id, "name": "w", "type": "income", "currency": "EUR", "slots": 3}
    home.accounts["wide"] = alice.call("open_account", **wide)["id"]
    for slot in range(3):
        day = date(2026, 3, 1 + slot) if slot else None
        post_at(home, NOON + slot * TICK, "wide", "bank", 10**slot, day, slot)
    assert _past(home, "wide", as_of=NOON + TICK) == {"posted": -11, "version": None}
    assert _past(home, "wide", effective_on="2026-03-02") == {"posted": -10, "version": None}
    assert _past(home, "wide", effective_on="2026-03-30") == {"posted": -110, "version": None}
    where = {"book_id": home.book_id, "account_id": home.accounts["wide"]}
    now = alice.call("get_balance", **where)
    assert (now["posted"], now["version"]) == (-111, None)


def test_a_balance_that_leaves_the_range_only_by_value_date_is_refused(home: Household) -> None:
    alice = home.as_user("alice")
    home.pay(alice, "world", "bank", MAX, effective_on="2026-03-01")
    home.pay(alice, "bank", "world", MAX, effective_on="2026-03-03")
    home.pay(alice, "world", "bank", MAX, effective_on="2026-03-02")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    told = [
        refusal(alice.call, "get_balance", **where, effective_on=f"2026-03-0{day}")
        for day in (1, 2, 3)
    ]
    assert told == ["none", "amount_out_of_range", "none"]


def test_viewers_and_up_and_who_holds_it(home: Household) -> None:
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert answers(home, "get_balance", **where) == READERS
    where["account_id"] = home.accounts["cash"]
    assert answers(home, "get_balance", **where) == HIDDEN
    for moment in ({"as_of": NOON}, {"effective_on": "2026-03-31"}):
        assert answers(home, "get_balance", **where, **moment) == HIDDEN
        bank = {**where, "account_id": home.accounts["bank"]}
        assert answers(home, "get_balance", **bank, **moment) == READERS


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
            *(({"as_of": moment}, "invalid_argument") for moment in NEVER),
            *(({"effective_on": day}, "invalid_argument") for day in NO_DAYS),
            ({"as_of": NOON, "effective_on": "2026-03-31"}, "invalid_argument"),
        ],
    )
