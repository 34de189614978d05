from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.callers import READERS, answers, assert_refused
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


def test_viewers_and_up(dated: Household) -> None:
    where = {"book_id": dated.book_id, "account_id": dated.accounts["bank"]}
    dates = {"from_date": "2026-03-01", "to_date": "2026-03-31"}
    assert answers(dated, "statement", **where, **dates) == READERS


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
