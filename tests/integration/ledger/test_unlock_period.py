from __future__ import annotations

import uuid
from functools import partial

from tests.callers import OWNERS, answer, assert_refused, everybody
from tests.world import Household

FLAG = "select has_periods as flag from ledger_private.books where id = %s"
JANUARY = {"from_date": "2026-01-01", "to_date": "2026-01-31"}
FIRST = {"from_date": "2026-01-01", "to_date": "2026-01-01"}


def test_it_returns_what_was_locked_and_bookings_go_on(home: Household) -> None:
    alice = home.as_user("alice")
    pay = partial(home.pay, alice, "world", "bank", 1, effective_on="2026-01-01")
    january = alice.call("lock_period", book_id=home.book_id, **JANUARY)
    first = alice.call("lock_period", book_id=home.book_id, **FIRST)

    assert alice.call("unlock_period", book_id=home.book_id, **JANUARY) == january
    assert home.owner().query(FLAG, [home.book_id])[0]["flag"] is True
    assert answer(pay) == "period_locked"

    assert alice.call("unlock_period", book_id=home.book_id, **FIRST) == first
    assert home.owner().query(FLAG, [home.book_id])[0]["flag"] is False
    assert alice.query("select 1 as one from ledger.periods") == []
    assert answer(pay) == "none"


def test_a_period_of_another_book_stays(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    for book in (other, home.book_id):
        alice.call("lock_period", book_id=book, **JANUARY)
    alice.call("unlock_period", book_id=home.book_id, **JANUARY)
    assert [home.owner().query(FLAG, [book])[0]["flag"] for book in (other, home.book_id)] == [
        True,
        False,
    ]
    left = alice.query("select book_id::text from ledger.periods")
    assert [p["book_id"] for p in left] == [other]


def test_owners_only(home: Household) -> None:
    told = {}
    for name, who in everybody(home).items():
        home.owner().call("lock_period", book_id=home.book_id, **JANUARY)
        told[name] = answer(partial(who.call, "unlock_period", book_id=home.book_id, **JANUARY))
    assert told == OWNERS


def test_what_is_not_locked_is_refused_and_nothing_changes(home: Household) -> None:
    alice = home.as_user("alice")
    alice.call("lock_period", book_id=home.book_id, **JANUARY)
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    assert_refused(
        home,
        alice,
        "unlock_period",
        {"book_id": home.book_id, **JANUARY},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "invalid_argument"),
            ({"from_date": None}, "invalid_argument"),
            ({"to_date": None}, "invalid_argument"),
            ({"from_date": "2026-01-02"}, "invalid_argument"),
            ({"to_date": "2026-01-01"}, "invalid_argument"),
            ({"to_date": "infinity"}, "invalid_argument"),
        ],
    )
    assert len(alice.query("select 1 as one from ledger.periods")) == 1
    alice.call("update_book", book_id=home.book_id, archived=True)
    again = partial(alice.call, "unlock_period", book_id=home.book_id, **JANUARY)
    assert answer(again) == "book_archived"
