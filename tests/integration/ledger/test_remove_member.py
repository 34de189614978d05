from __future__ import annotations

import uuid
from functools import partial

from tests.callers import OWNERS, answer, assert_refused, everybody
from tests.stepping import after
from tests.world import Household, Row, Session


def _remove(home: Household, who: Session, name: str) -> partial[Row]:
    return partial(who.call, "remove_member", book_id=home.book_id, user_id=home.user(name))


def test_it_returns_what_she_was_and_she_sees_the_book_no_more(home: Household) -> None:
    alice, bob = home.as_user("alice"), home.as_user("bob")
    home.pay(bob, "world", "bank", 5)
    was = alice.query("select to_json(m) as m from ledger.members as m where role = 'editor'")
    removed = alice.call("remove_member", book_id=home.book_id, user_id=home.users["bob"])
    assert removed == was[0]["m"]
    assert bob.query("select 1 as one from ledger.books") == []
    assert answer(partial(home.pay, bob, "world", "bank", 1)) == "book_not_found"
    assert home.posted("bank") == 5


def test_owners_only(home: Household) -> None:
    told = {}
    for name, who in everybody(home).items():
        home.owner().call(
            "set_member", book_id=home.book_id, user_id=home.user("dora"), role="viewer"
        )
        told[name] = answer(_remove(home, who, "dora"))
    assert told == OWNERS
    assert answer(_remove(home, home.as_user("bob"), "bob")) == "forbidden"


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    assert_refused(
        home,
        home.as_user("alice"),
        "remove_member",
        {"book_id": home.book_id, "user_id": home.users["bob"]},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"user_id": None}, "member_not_found"),
            ({"user_id": uuid.UUID(int=1)}, "member_not_found"),
            ({"user_id": home.users["mallory"]}, "member_not_found"),
            ({"user_id": home.users["alice"]}, "last_owner"),
        ],
    )


def test_of_two_owners_one_may_go_and_not_both_at_once(home: Household) -> None:
    alice, dora = home.as_user("alice"), home.as_user("dora")
    alice.call("set_member", book_id=home.book_id, user_id=home.users["dora"], role="owner")
    told = after(
        alice,
        _remove(home, alice, "alice"),
        dora,
        partial(answer, _remove(home, dora, "dora")),
    )
    assert told == "last_owner"
    assert answer(_remove(home, alice, "bob")) == "book_not_found"
    assert answer(_remove(home, dora, "bob")) == "none"
