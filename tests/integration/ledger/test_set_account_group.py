from __future__ import annotations

import uuid
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.callers import OWNERS, answer, answers, assert_refused
from tests.stepping import after
from tests.world import MAX, Household, Refused, Row, Session

FLAG = "select has_groups as flag from ledger_private.books where id = %s"


def _set(
    home: Household, who: Session, accounts: list[str], min_total: int, **more: Any
) -> partial[Row]:
    return partial(
        who.call,
        "set_account_group",
        book_id=home.book_id,
        name="Joint",
        account_ids=[home.accounts[name] for name in accounts],
        min_total=min_total,
        **more,
    )


def _open(home: Household, name: str, **more: Any) -> None:
    """One more account, without floor unless told."""
    home.accounts[name] = home.as_user("alice").call(
        "open_account",
        **{"book_id": home.book_id, "name": name, "type": "equity", "currency": "EUR", **more},
    )["id"]


def test_it_makes_a_group_and_shows_it(home: Household) -> None:
    group = _set(home, home.as_user("alice"), ["cash", "bank"], -5)()
    assert group == {
        "id": group["id"],
        "book_id": home.book_id,
        "name": "Joint",
        "min_total": -5,
        "account_ids": sorted([home.accounts["bank"], home.accounts["cash"]]),
        "version": 0,
        "created_at": group["created_at"],
    }
    shown = home.as_user("carol").query("select to_json(g) as g from ledger.groups as g")
    assert [row["g"] for row in shown] == [group]
    assert home.owner().query(FLAG, [home.book_id])[0]["flag"] is True


def test_an_id_of_the_callers_makes_it_repeatable(home: Household) -> None:
    alice, own = home.as_user("alice"), str(uuid.uuid4())
    group = _set(home, alice, ["cash", "bank"], 0, group_id=own)()
    assert group["id"] == own
    assert _set(home, alice, ["bank", "cash"], 0, group_id=own)() == group
    assert len(alice.query("select 1 as one from ledger.groups")) == 1
    again = _set(home, alice, ["bank", "cash"], 0)()
    assert again["id"] != own


def test_a_group_is_replaced_by_its_id(home: Household) -> None:
    home.fund(10)
    alice = home.as_user("alice")
    _open(home, "loan")
    group = _set(home, alice, ["bank", "cash"], 0)()
    arguments: Row = {
        "account_ids": [home.accounts["loan"], home.accounts["bank"]],
        "min_total": 10,
    }
    changed = alice.call(
        "set_account_group",
        book_id=home.book_id,
        name="銀行 🏦",
        group_id=group["id"],
        **arguments,
    )
    arguments["account_ids"] = sorted(arguments["account_ids"])
    assert changed == {**group, "name": "銀行 🏦", **arguments}
    bob = home.as_user("bob")
    assert answer(partial(home.pay, bob, "bank", "cash", 1)) == "group_floor"
    home.pay(bob, "bank", "loan", 5)


def test_members_together_stay_at_or_above_the_floor(home: Household) -> None:
    home.fund(10)
    _open(home, "loan")
    alice, bob = home.as_user("alice"), home.as_user("bob")
    group = _set(home, alice, ["bank", "loan"], 0)()
    home.pay(bob, "loan", "world", 10)
    with pytest.raises(Refused) as told:
        home.pay(bob, "loan", "world", 1)
    assert (told.value.code, told.value.status) == ("group_floor", 422)
    assert told.value.details == {"group_id": group["id"], "available": 0, "required": 1}
    home.pay(bob, "loan", "bank", 100)
    assert answer(partial(home.pay, bob, "bank", "cash", 1)) == "group_floor"
    home.pay(bob, "world", "bank", 1)
    home.pay(bob, "bank", "cash", 1)
    versions = alice.query("select version from ledger.groups")
    assert versions[0]["version"] == 4
    home.assert_sound()


def test_an_account_in_several_groups_keeps_each_floor(home: Household) -> None:
    home.fund(10)
    _open(home, "loan")
    alice, bob = home.as_user("alice"), home.as_user("bob")
    _set(home, alice, ["bank", "cash"], 5)()
    _set(home, alice, ["loan", "bank"], -10)()
    assert answer(partial(home.pay, bob, "bank", "world", 6)) == "group_floor"
    assert answer(partial(home.pay, bob, "loan", "world", 21)) == "group_floor"
    home.pay(bob, "loan", "world", 20)
    assert answer(partial(home.pay, bob, "bank", "world", 1)) == "group_floor"


def test_a_floor_that_is_already_broken_is_refused(home: Household) -> None:
    home.fund(10)
    alice, own = home.as_user("alice"), str(uuid.uuid4())
    before = home.state()
    with pytest.raises(Refused) as told:
        _set(home, alice, ["bank", "cash"], 11, group_id=own)()
    assert (told.value.code, told.value.details) == (
        "group_floor",
        {"group_id": own, "available": 10, "required": 11},
    )
    assert home.state() == before
    assert alice.query("select 1 as one from ledger.groups") == []
    group = _set(home, alice, ["bank", "cash"], 10, group_id=own)()
    for accounts, min_total in ((["bank", "cash"], 11), (["cash"], 10)):
        replace = _set(home, alice, accounts, min_total, group_id=own)
        assert answer(replace) == "group_floor"
    shown = alice.query("select to_json(g) as g from ledger.groups as g")
    assert [row["g"] for row in shown] == [group]


def test_what_is_held_does_not_count(home: Household) -> None:
    home.fund(10)
    alice = home.as_user("alice")
    alice.call(
        "create_hold",
        book_id=home.book_id,
        account_id=home.accounts["bank"],
        to_account_id=home.accounts["cash"],
        amount=4,
    )
    assert answer(_set(home, alice, ["bank"], 7)) == "group_floor"
    assert answer(_set(home, alice, ["bank"], 6)) == "none"
    home_again = partial(home.pay, alice, "bank", "cash", 1)
    assert answer(home_again) == "group_floor"


def test_owners_only(home: Household) -> None:
    told = answers(
        home,
        "set_account_group",
        book_id=home.book_id,
        name="n",
        account_ids=[home.accounts["bank"]],
        min_total=0,
        group_id=str(uuid.uuid4()),
    )
    assert told == OWNERS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    _open(home, "wide", slots=4)
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    foreign = alice.call("open_account", book_id=other, name="x", type="asset", currency="EUR")
    bank, cash, yen, wide = (home.accounts[n] for n in ("bank", "cash", "yen", "wide"))
    many = [str(uuid.UUID(int=n)) for n in range(1, 1002)]
    good = {
        "book_id": home.book_id,
        "name": "n",
        "account_ids": [bank, cash],
        "min_total": 0,
        "group_id": str(uuid.uuid4()),
    }
    assert_refused(
        home,
        alice,
        "set_account_group",
        good,
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "account_not_found"),
            ({"name": None}, "invalid_argument"),
            ({"name": ""}, "invalid_argument"),
            ({"name": "é" * 128}, "invalid_argument"),
            ({"account_ids": None}, "invalid_argument"),
            ({"account_ids": []}, "invalid_argument"),
            ({"account_ids": [bank, None]}, "invalid_argument"),
            ({"account_ids": [None]}, "invalid_argument"),
            ({"account_ids": [bank, cash, bank]}, "invalid_argument"),
            ({"account_ids": many}, "invalid_argument"),
            ({"account_ids": many[:1000]}, "account_not_found"),
            ({"account_ids": [bank, str(uuid.UUID(int=1))]}, "account_not_found"),
            ({"account_ids": [bank, foreign["id"]]}, "account_not_found"),
            ({"account_ids": [bank, yen]}, "currency_mismatch"),
            ({"account_ids": [bank, wide]}, "invalid_argument"),
            ({"min_total": None}, "invalid_argument"),
            ({"min_total": MAX + 1}, "invalid_argument"),
            ({"min_total": -MAX - 1}, "invalid_argument"),
            ({"min_total": MAX}, "group_floor"),
        ],
    )
    assert alice.query("select 1 as one from ledger.groups") == []
    assert home.owner().query(FLAG, [home.book_id])[0]["flag"] is False
    assert answer(partial(alice.call, "set_account_group", **{**good, "min_total": -MAX})) == "none"
    alice.call("update_book", book_id=home.book_id, archived=True)
    assert answer(partial(alice.call, "set_account_group", **good)) == "book_archived"


def test_a_group_of_another_book_under_the_same_id_is_left_alone(home: Household) -> None:
    alice = home.as_user("alice")
    group = _set(home, alice, ["bank"], 0)()
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    account = alice.call("open_account", book_id=other, name="x", type="asset", currency="EUR")
    alice.call(
        "set_account_group",
        book_id=other,
        name="mine",
        account_ids=[account["id"]],
        min_total=-1,
        group_id=group["id"],
    )
    shown = alice.query(
        "select to_json(g) as g from ledger.groups as g where book_id = %s", [home.book_id]
    )
    assert [row["g"] for row in shown] == [group]


def test_a_thousand_accounts_may_share_a_floor(home: Household) -> None:
    alice = home.as_user("alice")
    made = home.owner().query(
        """
        select (ledger.open_account(%s, 'n' || n, 'asset', 'EUR')).id::text
        from generate_series(1, 1000) as n
        """,
        [home.book_id],
    )
    group = alice.call(
        "set_account_group",
        book_id=home.book_id,
        name="all",
        account_ids=[row["id"] for row in made],
        min_total=0,
    )
    assert len(group["account_ids"]) == 1000


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_sum_that_is_older_than_a_posting_is_not_believed(home: Household, level: str) -> None:
    home.fund(10)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    alice.query(f"begin isolation level {level}")
    alice.query("select 1 as one from ledger.books")
    home.pay(bob, "bank", "cash", 10)
    with pytest.raises(psycopg.errors.SerializationFailure):
        _set(home, alice, ["bank"], 10)()
    alice.query("rollback")


def test_two_calls_for_one_group_go_one_after_the_other(home: Household) -> None:
    alice, again = home.as_user("alice"), home.as_user("alice")
    own = str(uuid.uuid4())
    group = after(
        alice,
        _set(home, alice, ["bank"], 0, group_id=own),
        again,
        _set(home, again, ["cash"], 0, group_id=own),
    )
    assert group["account_ids"] == [home.accounts["cash"]]
