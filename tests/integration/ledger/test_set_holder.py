from __future__ import annotations

import uuid
from functools import partial

from tests.callers import OWNERS, answer, answers, assert_refused
from tests.stepping import after
from tests.world import Household, Row, Session

ROLE = "select role from ledger.members where user_id = %s"


def _set(home: Household, who: Session, account: str, access: str) -> partial[Row]:
    return partial(
        who.call,
        "set_holder",
        book_id=home.book_id,
        account_id=home.accounts[account],
        user_id=home.user("heidi"),
        access=access,
    )


def _roles(home: Household, name: str = "heidi") -> list[str]:
    return [m["role"] for m in home.as_user("alice").query(ROLE, [home.user(name)])]


def test_a_stranger_becomes_a_holder_of_the_account(home: Household) -> None:
    alice = home.as_user("alice")
    holder = _set(home, alice, "bank", "view")()
    assert holder == {
        "book_id": home.book_id,
        "account_id": home.accounts["bank"],
        "user_id": home.users["heidi"],
        "access": "view",
        "created_at": holder["created_at"],
    }
    assert _roles(home) == ["holder"]
    shown = alice.query("select to_json(h) as h from ledger.holders as h")
    assert [row["h"] for row in shown] == [holder]


def test_repeating_it_changes_the_access_alone(home: Household) -> None:
    alice = home.as_user("alice")
    first = _set(home, alice, "bank", "view")()
    for access in ("spend", "spend", "view"):
        assert _set(home, alice, "bank", access)() == {**first, "access": access}
    assert _set(home, alice, "cash", "spend")()["access"] == "spend"
    assert len(alice.query("select 1 as one from ledger.holders")) == 2


def test_one_account_may_have_many_holders(home: Household) -> None:
    alice = home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"], "access": "spend"}
    for name in ("heidi", "ivan"):
        alice.call("set_holder", **where, user_id=home.user(name))
        assert len(home.as_user(name).query("select 1 as one from ledger.holders")) == 1


def test_owners_only(home: Household) -> None:
    told = answers(
        home,
        "set_holder",
        book_id=home.book_id,
        account_id=home.accounts["cash"],
        user_id=home.user("ivan"),
        access="view",
    )
    assert told == OWNERS


def test_a_member_with_another_role_does_not_become_a_holder(home: Household) -> None:
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"], "access": "view"}
    assert_refused(
        home,
        home.as_user("alice"),
        "set_holder",
        {**where, "user_id": home.user("ivan")},
        [({"user_id": home.users[name]}, "invalid_argument") for name in ("alice", "bob", "carol")],
    )
    assert home.owner().query("select 1 as one from ledger.holders") == []


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    foreign = alice.call("open_account", book_id=other, name="x", type="asset", currency="EUR")
    assert_refused(
        home,
        alice,
        "set_holder",
        {
            "book_id": home.book_id,
            "account_id": home.accounts["bank"],
            "user_id": home.users["mallory"],
            "access": "view",
        },
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "account_not_found"),
            ({"account_id": None}, "account_not_found"),
            ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
            ({"account_id": foreign["id"]}, "account_not_found"),
            ({"user_id": None}, "user_not_found"),
            ({"user_id": uuid.UUID(int=1)}, "user_not_found"),
            ({"access": None}, "invalid_argument"),
            ({"access": ""}, "invalid_argument"),
            ({"access": "Spend"}, "invalid_argument"),
            ({"access": "owner"}, "invalid_argument"),
        ],
    )


def test_an_archived_book_gets_no_holders(home: Household) -> None:
    alice = home.as_user("alice")
    alice.call("update_book", book_id=home.book_id, archived=True)
    assert answer(_set(home, alice, "bank", "view")) == "book_archived"


def test_who_becomes_something_else_holds_nothing_any_more(home: Household) -> None:
    alice, heidi = home.as_user("alice"), home.as_user("heidi")
    member = {"book_id": home.book_id, "user_id": home.users["heidi"]}
    _set(home, alice, "bank", "spend")()
    assert alice.call("set_member", **member, role="holder")["role"] == "holder"
    assert len(heidi.query("select 1 as one from ledger.accounts")) == 1

    alice.call("set_member", **member, role="viewer")
    assert alice.query("select 1 as one from ledger.holders") == []
    assert len(heidi.query("select 1 as one from ledger.accounts")) == len(home.accounts)

    alice.call("set_member", **member, role="holder")
    assert heidi.query("select 1 as one from ledger.accounts") == []
    assert len(heidi.query("select 1 as one from ledger.books")) == 1
    _set(home, alice, "cash", "view")()
    assert len(heidi.query("select 1 as one from ledger.accounts")) == 1


def test_the_last_owner_does_not_become_a_holder(home: Household) -> None:
    alice = home.as_user("alice")
    member = {"book_id": home.book_id, "user_id": home.users["alice"], "role": "holder"}
    assert answer(partial(alice.call, "set_member", **member)) == "last_owner"


def test_a_removed_member_or_deleted_user_holds_nothing_any_more(home: Household) -> None:
    alice = home.as_user("alice")
    _set(home, alice, "bank", "spend")()
    alice.call("remove_member", book_id=home.book_id, user_id=home.users["heidi"])
    assert alice.query("select 1 as one from ledger.holders") == []
    _set(home, alice, "bank", "spend")()
    with home.database.connect() as owner:
        owner.execute("delete from auth.users where id = %s", [home.users["heidi"]])
    assert alice.query("select 1 as one from ledger.holders") == []
    assert _roles(home) == []
    assert answer(_set(home, alice, "bank", "view")) == "user_not_found"


def test_a_user_who_is_being_deleted_becomes_no_holder(home: Household) -> None:
    """As a stranger, and with another account of hers that the cascade takes along."""
    alice = home.as_user("alice")
    deletion = home.owner()
    for name in ("heidi", "ivan"):
        where = {"book_id": home.book_id, "user_id": home.user(name), "access": "view"}
        if name == "ivan":
            alice.call("set_holder", **where, account_id=home.accounts["bank"])
        told = after(
            deletion,
            partial(deletion.query, "delete from auth.users where id = %s", [home.users[name]]),
            alice,
            partial(
                answer,
                partial(alice.call, "set_holder", **where, account_id=home.accounts["cash"]),
            ),
        )
        assert (name, told) == (name, "user_not_found")
    assert alice.query("select 1 as one from ledger.holders") == []


def test_a_deletion_that_has_to_wait_takes_the_new_account_along(home: Household) -> None:
    alice, deletion = home.as_user("alice"), home.owner()
    _set(home, alice, "bank", "view")()
    delete = partial(deletion.query, "delete from auth.users where id = %s", [home.users["heidi"]])
    after(alice, _set(home, alice, "cash", "view"), deletion, delete)
    assert alice.query("select 1 as one from ledger.holders") == []
    assert _roles(home) == []
