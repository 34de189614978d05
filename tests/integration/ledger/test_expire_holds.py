"""ledger.expire_holds. Races: test_holds_races.py."""

from __future__ import annotations

import uuid

from tests.callers import EDITORS, answers, assert_refused
from tests.holding import capture, expire, hold, money, overdue, release, state
from tests.world import Household

LATER = "2099-01-01T00:00:00Z"


def test_it_gives_back_what_is_overdue_and_leaves_the_rest(home: Household) -> None:
    home.fund(100)
    home.fund(50, "cash")
    bob = home.as_user("bob")
    first, second = (hold(home, bob, n, expires_at=LATER) for n in (30, 20))
    third = hold(home, bob, 10, "cash", "bank", expires_at=LATER)
    later, endless = hold(home, bob, 5, expires_at=LATER), hold(home, bob, 6)
    done = hold(home, bob, 7, expires_at=LATER)
    release(home, bob, done)
    capture(home, bob, first, 10, final=False)
    overdue(home, first, second, third, done)
    assert expire(home, bob) == 3
    assert state(home, first) == ("expired", 10, 20)
    assert state(home, second) == ("expired", 0, 20)
    assert state(home, third) == ("expired", 0, 10)
    assert state(home, done) == ("released", 0, 7)
    assert {state(home, held)[0] for held in (later, endless)} == {"pending"}
    assert money(home) == (90, 11, 79)
    assert money(home, "cash")[1] == 0
    assert expire(home, bob) == 0
    home.assert_sound()


def test_editors_and_owners_may(home: Household) -> None:
    assert answers(home, "expire_holds", book_id=home.book_id) == EDITORS


def test_another_book_is_left_alone(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    held = hold(home, alice, 30, expires_at=LATER)
    overdue(home, held)
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    assert alice.query("select ledger.expire_holds(%s) as n", [other]) == [{"n": 0}]
    assert state(home, held)[0] == "pending"


def test_a_call_takes_the_oldest_thousand(home: Household) -> None:
    home.fund(10_000)
    bob = home.as_user("bob")
    held = hold(home, bob, 1, expires_at=LATER)
    owner = home.owner()
    owner.query(
        "insert into ledger_private.holds (book_id, id, account_id, to_account_id, amount,"
        " expires_at, request_hash)"
        " select h.book_id, gen_random_uuid(), h.account_id, h.to_account_id, 1,"
        " clock_timestamp() - n * interval '1 minute', '' "
        " from ledger_private.holds as h, generate_series(1, 1001) as n"
    )
    owner.query(
        "update ledger_private.balances set held = 1002 where account_id = %s",
        [home.accounts["bank"]],
    )
    overdue(home, held)
    # It would hand them out by age, asked or not.
    owner.query("drop index ledger_private.holds_expiry_idx")
    assert expire(home, bob) == 1000
    ages = owner.query(
        "select array_agg(state order by expires_at) as states from ledger_private.holds"
    )
    assert ages[0]["states"] == ["expired"] * 1000 + ["pending"] * 2
    assert money(home) == (10_000, 2, 9_998)
    assert expire(home, bob) == 2
    assert money(home) == (10_000, 0, 10_000)
    home.assert_sound()


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    alice.call("update_book", book_id=home.book_id, archived=True)
    assert_refused(
        home,
        alice,
        "expire_holds",
        {},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": home.book_id}, "book_archived"),
        ],
    )
