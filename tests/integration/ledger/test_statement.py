from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.callers import HIDDEN, READERS, answers, assert_refused
from tests.past import post_at
from tests.world import MAX, Household, Row, refusal


@pytest.fixture
def dated(home: Household) -> Household:
    """Bookings on the bank account whose value dates are not in the order of booking."""
    bob = home.as_user("bob")
    for amount, day in ((100, "03-10"), (20, "03-01"), (3, "03-31"), (50, "02-28"), (7, "03-10")):
        home.pay(bob, "world", "bank", amount, effective_on=f"2026-{day}", description=day)
    home.pay(bob, "bank", "cash", 60, effective_on="2026-03-05", description="03-05")
    return home


def _statement(home: Household, from_date: str, to_date: str, account: str = "bank") -> Row:
    return home.as_user("carol").call(
        "statement",
        book_id=home.book_id,
        account_id=home.accounts[account],
        from_date=from_date,
        to_date=to_date,
    )


def test_lines_stand_in_value_date_order_between_opening_and_closing(dated: Household) -> None:
    statement = _statement(dated, "2026-03-01", "2026-03-31")
    lines = statement.pop("lines")
    assert statement == {
        "account_id": dated.accounts["bank"],
        "currency": "EUR",
        "opening": 50,
        "closing": 120,
    }
    told = [(line["description"], line["amount"], line["running_balance"]) for line in lines]
    assert told == [
        ("03-01", 20, 70),
        ("03-05", -60, 10),
        ("03-10", 100, 110),
        ("03-10", 7, 117),
        ("03-31", 3, 120),
    ]
    register = dated.as_user("carol").rows(
        "account_register", book_id=dated.book_id, account_id=dated.accounts["bank"]
    )
    booked = {line["version"]: line for line in register}
    for line in lines:
        assert {**line, "running_balance": 0} == {**booked[line["version"]], "running_balance": 0}


def test_both_dates_are_included(dated: Household) -> None:
    day = _statement(dated, "2026-03-10", "2026-03-10")
    assert (day["opening"], day["closing"], len(day["lines"])) == (10, 117, 2)
    inside = _statement(dated, "2026-03-02", "2026-03-30")
    assert (inside["opening"], inside["closing"], len(inside["lines"])) == (70, 117, 3)


def test_a_time_without_bookings_has_the_balance_of_before(dated: Household) -> None:
    for day, balance in (("2020-01-01", 0), ("2026-03-20", 117), ("2030-01-01", 120)):
        statement = _statement(dated, day, day)
        assert (statement["opening"], statement["closing"]) == (balance, balance)
        assert statement["lines"] == []
    empty = _statement(dated, "2026-01-01", "2026-12-31", "yen")
    assert (empty["currency"], empty["opening"], empty["closing"]) == ("JPY", 0, 0)
    assert empty["lines"] == []


def test_infinite_dates_take_everything(dated: Household) -> None:
    whole = _statement(dated, "-infinity", "infinity")
    assert (whole["opening"], whole["closing"], len(whole["lines"])) == (0, 120, 6)
    for day, balance in (("-infinity", 0), ("infinity", 120)):
        edge = _statement(dated, day, day)
        assert (edge["opening"], edge["closing"], edge["lines"]) == (balance, balance, [])
    for first, last in (("4714-11-24 BC", "5874897-12-31"), ("0001-01-01", "9999-12-31")):
        assert _statement(dated, first, last) == whole


def test_a_day_is_one_in_utc_wherever_the_caller_is(home: Household) -> None:
    midnight = datetime(2026, 4, 1, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    for at, amount in ((midnight - tick, 1), (midnight, 10), (midnight + tick, 100)):
        post_at(home, at, "world", "bank", amount)
    # Booked on that day, but not dated there.
    post_at(home, midnight + 2 * tick, "world", "bank", 1000, date(2026, 5, 1))
    carol = home.as_user("carol")
    carol.query("set time zone 'Pacific/Kiritimati'")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    for day, amounts in (("2026-03-31", [1]), ("2026-04-01", [10, 100]), ("2026-04-02", [])):
        statement = carol.call("statement", **where, from_date=day, to_date=day)
        assert [line["amount"] for line in statement["lines"]] == amounts


def test_several_slots_run_through_one_balance(home: Household) -> None:
    account = {"name": "w", "type": "income", "currency": "EUR", "slots": 3}
    made = home.as_user("alice").call("open_account", book_id=home.book_id, **account)
    home.accounts["wide"] = made["id"]
    noon = datetime(2026, 3, 31, 12, tzinfo=UTC)
    days = [None, date(2026, 4, 2), None, date(2026, 3, 1), None, date(2026, 4, 1)]
    for number, day in enumerate(days):
        at = noon + number * timedelta(seconds=1)
        post_at(home, at, "wide", "bank", 10**number, day, slot=2 - number % 3)
    statement = _statement(home, "2026-03-31", "2026-04-01", "wide")
    assert (statement["opening"], statement["closing"]) == (-1000, -111101)
    told = [
        (line["amount"], line["running_balance"], line["version"]) for line in statement["lines"]
    ]
    assert told == [
        (-1, -1001, None),
        (-100, -1101, None),
        (-10000, -11101, None),
        (-100000, -111101, None),
    ]


def test_viewers_and_up_and_who_holds_it(dated: Household) -> None:
    where = {"book_id": dated.book_id, "account_id": dated.accounts["bank"]}
    dates = {"from_date": "2026-03-01", "to_date": "2026-03-31"}
    assert answers(dated, "statement", **where, **dates) == READERS
    where["account_id"] = dated.accounts["cash"]
    assert answers(dated, "statement", **where, **dates) == HIDDEN


def test_bad_input_is_refused_by_code(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"book_id": None}, "book_not_found"),
        ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
        ({"book_id": other}, "account_not_found"),
        ({"account_id": None}, "account_not_found"),
        ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
        ({"from_date": None}, "invalid_argument"),
        ({"to_date": None}, "invalid_argument"),
        ({"from_date": "2026-04-01"}, "invalid_argument"),
    ]
    good = {
        "book_id": home.book_id,
        "account_id": home.accounts["bank"],
        "from_date": "2026-03-01",
        "to_date": "2026-03-31",
    }
    assert_refused(home, alice, "statement", good, cases)


def test_a_balance_that_leaves_the_range_only_in_value_date_order_is_refused(
    home: Household,
) -> None:
    alice = home.as_user("alice")
    home.pay(alice, "world", "bank", MAX, effective_on="2026-03-01")
    home.pay(alice, "bank", "world", MAX, effective_on="2026-03-03")
    home.pay(alice, "world", "bank", MAX, effective_on="2026-03-02")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    for first in ("2026-03-01", "2026-03-03"):
        march = {"from_date": first, "to_date": "2026-03-31"}
        assert refusal(alice.call, "statement", **where, **march) == "amount_out_of_range"
    early = alice.call("statement", **where, from_date="2026-03-01", to_date="2026-03-01")
    assert early["closing"] == MAX
