from __future__ import annotations

import uuid
from functools import partial

from tests.callers import OWNERS, answer, answers, assert_refused
from tests.stepping import after
from tests.world import Household, Row, Session


def _set(home: Household, who: Session, name: str, role: str) -> partial[Row]:
    return partial(who.call, "set_member", book_id=home.book_id, user_id=home.user(name), role=role)


def test_it_gives_a_role_and_changes_it(home: Household) -> None:
    alice, dora = home.as_user("alice"), home.as_user("dora")
    arguments = {"book_id": home.book_id, "user_id": home.users["dora"]}
    viewer = alice.call("set_member", **arguments, role="viewer")
    assert set(viewer) == {"book_id", "user_id", "role", "created_at"}
    assert viewer == {**arguments, "role": "viewer", "created_at": viewer["created_at"]}
    assert len(dora.rows("get_balances", book_id=home.book_id)) == len(home.accounts)
    assert answer(partial(home.pay, dora, "world", "bank", 1)) == "forbidden"

    editor = alice.call("set_member", **arguments, role="editor")
    assert editor == {**viewer, "role": "editor"}
    home.pay(dora, "world", "bank", 1)

    assert alice.call("set_member", **arguments, role="owner") == {**viewer, "role": "owner"}
    dora.call("set_member", book_id=home.book_id, user_id=home.users["alice"], role="viewer")
    assert answer(_set(home, alice, "alice", "owner")) == "forbidden"


def test_owners_only(home: Household) -> None:
    told = answers(
        home, "set_member", book_id=home.book_id, user_id=home.user("dora"), role="viewer"
    )
    assert told == OWNERS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    assert_refused(
        home,
        home.as_user("alice"),
        "set_member",
        {"book_id": home.book_id, "user_id": home.users["mallory"], "role": "viewer"},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"user_id": None}, "user_not_found"),
            ({"user_id": uuid.UUID(int=1)}, "user_not_found"),
            ({"role": None}, "invalid_argument"),
            ({"role": ""}, "invalid_argument"),
            ({"role": "Owner"}, "invalid_argument"),
            ({"role": "service_role"}, "invalid_argument"),
        ],
    )


def test_the_last_owner_stays_one(home: Household) -> None:
    alice, service = home.as_user("alice"), home.as_role("service_role")
    before = home.state()
    for who in (alice, service, home.owner()):
        for role in ("editor", "viewer"):
            assert answer(_set(home, who, "alice", role)) == "last_owner"
    assert home.state() == before
    assert answer(_set(home, alice, "alice", "owner")) == "none"
    assert answer(_set(home, alice, "dora", "owner")) == "none"
    assert answer(_set(home, alice, "alice", "viewer")) == "none"
    assert answer(_set(home, service, "dora", "viewer")) == "last_owner"


def test_the_two_last_owners_cannot_both_step_down_at_once(home: Household) -> None:
    alice, dora = home.as_user("alice"), home.as_user("dora")
    _set(home, alice, "dora", "owner")()
    told = after(
        alice,
        _set(home, alice, "alice", "editor"),
        dora,
        partial(answer, _set(home, dora, "dora", "editor")),
    )
    assert told == "last_owner"


def test_two_owners_cannot_demote_each_other_at_once(home: Household) -> None:
    alice, dora = home.as_user("alice"), home.as_user("dora")
    _set(home, alice, "dora", "owner")()
    told = after(
        alice,
        _set(home, alice, "dora", "viewer"),
        dora,
        partial(answer, _set(home, dora, "alice", "viewer")),
    )
    assert told == "forbidden"


def test_a_user_who_is_deleted_is_no_member_any_more(home: Household) -> None:
    with home.database.connect() as owner:
        owner.execute("delete from auth.users where id = %s", [home.users["bob"]])
    members = home.as_user("alice").query("select user_id::text from ledger.members")
    assert {m["user_id"] for m in members} == {home.users["alice"], home.users["carol"]}
    assert answer(partial(home.pay, home.as_user("bob"), "world", "bank", 1)) == "book_not_found"
    assert answer(_set(home, home.as_user("alice"), "bob", "viewer")) == "user_not_found"
