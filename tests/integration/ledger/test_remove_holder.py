from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.callers import OWNERS, answer, assert_refused, everybody, holder
from tests.stepping import PATIENCE, after, until_waiting
from tests.waiting import until
from tests.world import Household, Row, Session


def _remove(home: Household, who: Session, account: str = "bank") -> partial[Row]:
    return partial(
        who.call,
        "remove_holder",
        book_id=home.book_id,
        account_id=home.accounts[account],
        user_id=home.user("heidi"),
    )


def test_it_returns_what_she_was_and_she_sees_the_account_no_more(home: Household) -> None:
    alice, heidi = home.as_user("alice"), holder(home, "bank")
    holder(home, "cash", "view")
    was = alice.query(
        "select to_json(h) as h from ledger.holders as h where access = 'spend'",
    )
    assert _remove(home, alice)() == was[0]["h"]
    accounts = heidi.query("select id::text from ledger.accounts")
    assert [a["id"] for a in accounts] == [home.accounts["cash"]]
    assert len(heidi.query("select 1 as one from ledger.books")) == 1


def test_with_the_last_account_goes_her_membership(home: Household) -> None:
    alice, heidi = home.as_user("alice"), holder(home, "bank")
    holder(home, "cash")
    of_hers = "select 1 as one from ledger.members where user_id = %s"
    for account, left in (("bank", 1), ("cash", 0)):
        _remove(home, alice, account)()
        assert len(alice.query(of_hers, [home.users["heidi"]])) == left
    assert heidi.query("select 1 as one from ledger.books") == []
    balances = partial(heidi.rows, "get_balances", book_id=home.book_id)
    assert answer(balances) == "book_not_found"


def test_what_others_hold_stays(home: Household) -> None:
    alice = home.as_user("alice")
    holder(home, "bank")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    alice.call("set_holder", **where, user_id=home.user("ivan"), access="view")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    elsewhere = {
        "book_id": other,
        "account_id": alice.call(
            "open_account", book_id=other, name="x", type="asset", currency="EUR"
        )["id"],
        "user_id": home.users["heidi"],
    }
    alice.call("set_holder", **elsewhere, access="view")
    _remove(home, alice)()
    left = alice.query("select book_id::text, user_id::text from ledger.holders")
    assert {(h["book_id"], h["user_id"]) for h in left} == {
        (home.book_id, home.users["ivan"]),
        (other, home.users["heidi"]),
    }


def test_owners_only(home: Household) -> None:
    told = {}
    for name, who in everybody(home).items():
        holder(home)
        told[name] = answer(_remove(home, who))
    assert told == OWNERS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    holder(home, "bank")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    assert_refused(
        home,
        alice,
        "remove_holder",
        {
            "book_id": home.book_id,
            "account_id": home.accounts["bank"],
            "user_id": home.users["heidi"],
        },
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "account_not_found"),
            ({"account_id": None}, "account_not_found"),
            ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
            ({"account_id": home.accounts["cash"]}, "member_not_found"),
            ({"user_id": None}, "member_not_found"),
            ({"user_id": uuid.UUID(int=1)}, "member_not_found"),
            ({"user_id": home.users["mallory"]}, "member_not_found"),
            ({"user_id": home.users["bob"]}, "member_not_found"),
        ],
    )
    assert len(alice.query("select 1 as one from ledger.holders")) == 1


def test_an_archived_book_keeps_its_holders(home: Household) -> None:
    alice = home.as_user("alice")
    holder(home)
    alice.call("update_book", book_id=home.book_id, archived=True)
    assert answer(_remove(home, alice)) == "book_archived"


def test_it_waits_for_the_deletion_of_the_user_and_the_other_way_round(home: Household) -> None:
    alice, deletion = home.as_user("alice"), home.owner()
    delete = "delete from auth.users where id = %s"
    holder(home, "bank")
    holder(home, "cash")
    deleted = partial(deletion.query, delete, [home.users["heidi"]])
    after(alice, _remove(home, alice), deletion, deleted)
    assert alice.query("select 1 as one from ledger.holders") == []

    home.users.pop("heidi")
    holder(home, "bank")
    deleted = partial(deletion.query, delete, [home.users["heidi"]])
    told = after(deletion, deleted, alice, partial(answer, _remove(home, alice)))
    assert told == "member_not_found"


def test_it_never_deadlocks_with_the_deletion_of_the_user(home: Household) -> None:
    """Both take the membership first, then the account: so neither has half of what both want."""
    holder(home, "bank")
    alice, deletion, gate = home.as_user("alice"), home.owner(), home.owner()
    heidi = [home.users["heidi"]]
    gate.query("begin")
    gate.query("select from ledger_private.book_members where user_id = %s for update", heidi)
    with ThreadPoolExecutor(2) as pool:
        deleted = pool.submit(deletion.query, "delete from auth.users where id = %s", heidi)
        try:
            until_waiting(gate, deletion, deleted)
            told = pool.submit(answer, _remove(home, alice))
            queued = "select cardinality(pg_blocking_pids(%s)) > 0 as waits"
            pid = [alice.connection.info.backend_pid]
            until(lambda: bool(gate.query(queued, pid)[0]["waits"]), PATIENCE)
        finally:
            gate.query("commit")
        assert deleted.result(PATIENCE) == []
        assert told.result(PATIENCE) == "member_not_found"


def test_the_last_two_accounts_cannot_leave_a_member_behind(home: Household) -> None:
    alice, again = home.as_user("alice"), home.as_user("alice")
    heidi = holder(home, "bank")
    holder(home, "cash")
    after(alice, _remove(home, alice, "bank"), again, _remove(home, again, "cash"))
    assert heidi.query("select 1 as one from ledger.members") == []
