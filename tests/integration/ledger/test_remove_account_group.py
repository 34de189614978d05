from __future__ import annotations

import uuid
from functools import partial

from tests.callers import OWNERS, answer, assert_refused, everybody
from tests.stepping import after
from tests.world import Household, Row

FLAG = "select has_groups as flag from ledger_private.books where id = %s"


def _group(home: Household, book_id: str | None = None, *accounts: str) -> Row:
    return home.as_user("alice").call(
        "set_account_group",
        book_id=book_id or home.book_id,
        name="Joint",
        account_ids=list(accounts) or [home.accounts["bank"], home.accounts["cash"]],
        min_total=0,
    )


def test_it_returns_what_it_was_and_the_floor_is_gone(home: Household) -> None:
    home.fund(10)
    alice = home.as_user("alice")
    raised = alice.call(
        "set_account_group",
        book_id=home.book_id,
        name="Reserve",
        account_ids=[home.accounts["bank"]],
        min_total=10,
    )
    joint = _group(home)
    pay = partial(home.pay, alice, "bank", "cash", 1)
    assert answer(pay) == "group_floor"

    where = {"book_id": home.book_id}
    assert alice.call("remove_account_group", **where, group_id=raised["id"]) == raised
    assert home.owner().query(FLAG, [home.book_id])[0]["flag"] is True
    assert answer(pay) == "none"
    shown = alice.query("select to_json(g) as g from ledger.groups as g")
    assert [row["g"]["id"] for row in shown] == [joint["id"]]

    removed = alice.call("remove_account_group", **where, group_id=joint["id"])
    assert removed == shown[0]["g"]
    assert home.owner().query(FLAG, [home.book_id])[0]["flag"] is False
    assert alice.query("select 1 as one from ledger.groups") == []
    left = home.owner().query("select 1 as one from ledger_private.account_group_members")
    assert left == []


def test_two_groups_that_go_at_once_leave_no_flag_behind(home: Household) -> None:
    alice, again = home.as_user("alice"), home.as_user("alice")
    first, second = (
        partial(who.call, "remove_account_group", book_id=home.book_id, group_id=_group(home)["id"])
        for who in (alice, again)
    )
    after(alice, first, again, second)
    assert home.owner().query(FLAG, [home.book_id])[0]["flag"] is False


def test_groups_of_other_books_stay(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    account = alice.call("open_account", book_id=other, name="x", type="asset", currency="EUR")
    kept = _group(home, other, account["id"])
    gone = _group(home)
    alice.call("remove_account_group", book_id=home.book_id, group_id=gone["id"])
    shown = alice.query("select id::text, account_ids::text[] from ledger.groups")
    assert shown == [{"id": kept["id"], "account_ids": [account["id"]]}]
    assert home.owner().query(FLAG, [other])[0]["flag"] is True


def test_owners_only(home: Household) -> None:
    told = {}
    for name, who in everybody(home).items():
        group = _group(home)
        told[name] = answer(
            partial(who.call, "remove_account_group", book_id=home.book_id, group_id=group["id"])
        )
    assert told == OWNERS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    group = _group(home)
    good = {"book_id": home.book_id, "group_id": group["id"]}
    assert_refused(
        home,
        alice,
        "remove_account_group",
        good,
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "group_not_found"),
            ({"group_id": None}, "group_not_found"),
            ({"group_id": uuid.UUID(int=1)}, "group_not_found"),
        ],
    )
    assert len(alice.query("select 1 as one from ledger.groups")) == 1
    alice.call("update_book", book_id=home.book_id, archived=True)
    assert answer(partial(alice.call, "remove_account_group", **good)) == "book_archived"
