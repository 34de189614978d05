from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from tests.callers import EDITORS, answer, answers, assert_refused
from tests.stepping import after, at_once
from tests.world import MAX, Household, refusal

GOOD: dict[str, Any] = {"name": "Savings", "type": "asset", "currency": "EUR"}
FULL: dict[str, Any] = {
    **GOOD,
    "code": "assets:bank:savings",
    "min_balance": -5,
    "max_balance": 500,
    "payable": True,
    "external_id": "IBAN 1",
    "metadata": {"colour": "blue", "nothing": None},
}


def test_it_returns_the_account_with_its_empty_balance(home: Household) -> None:
    bob = home.as_user("bob")
    account = bob.call("open_account", book_id=home.book_id, **FULL)
    made = {"id": account["id"], "created_at": account["created_at"]}
    empty = {"posted": 0, "held": 0, "available": 5, "version": 0}
    fixed = {"book_id": home.book_id, "slots": 1, "status": "open"}
    assert account == {**FULL, **made, **fixed, **empty}
    assert uuid.UUID(account["id"]).version == 7
    stored = bob.query(
        "select to_json(a) as a from ledger.accounts as a where id = %s", [made["id"]]
    )
    assert stored[0]["a"] == account


def test_an_asset_has_a_floor_of_zero_unless_told_otherwise(home: Household) -> None:
    alice = home.as_user("alice")
    for kind in ("asset", "liability", "income", "expense", "equity"):
        plain = {"book_id": home.book_id, **GOOD, "type": kind}
        account = alice.call("open_account", **plain)
        floor = 0 if kind == "asset" else None
        assert (account["min_balance"], account["max_balance"]) == (floor, None)
        assert account["available"] == floor
        assert (account["code"], account["external_id"]) == (None, None)
        assert (account["payable"], account["metadata"]) == (False, {})
        assert alice.call("open_account", **plain, min_balance=None)["min_balance"] == floor
        assert alice.call("open_account", **plain, min_balance=-7)["min_balance"] == -7


def test_editors_and_owners(home: Household) -> None:
    assert answers(home, "open_account", book_id=home.book_id, **GOOD) == EDITORS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    bad: dict[str, list[Any]] = {
        "name": [None, "", "n" * 256, "é" * 128],
        "type": [None, "", "Asset", "wallet"],
        "currency": [None, "", "eur", "NONE"],
        "code": ["", ":", "a:", ":a", "a::b", "a\tb", "a\nb", "a\n", "c" * 256, "é" * 128],
        "min_balance": [-MAX - 1, MAX + 1, 1, -(2**63)],
        "max_balance": [-MAX - 1, MAX + 1, -1, 2**63 - 1],
        "external_id": ["", "x" * 256],
        "metadata": ["[]", '"text"', "1", "null", {"k": "v" * 16384}],
    }
    cases: list[tuple[dict[str, Any], str]] = [
        ({name: value}, "invalid_argument") for name, values in bad.items() for value in values
    ]
    cases += [
        ({"book_id": None}, "book_not_found"),
        ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
        ({"code": "asset:bank"}, "duplicate_code"),
        ({"id": home.accounts["bank"]}, "idempotency_mismatch"),
    ]
    assert_refused(home, alice, "open_account", {"book_id": home.book_id, **GOOD}, cases)


def test_what_is_just_inside_its_limits_is_taken(home: Household) -> None:
    alice = home.as_user("alice")
    for more in (
        {"name": "n" * 255},
        {"name": "財布 👛"},
        {"code": "c" * 255},
        {"code": "活:預金:é'\"%"},
        {"min_balance": -MAX, "max_balance": MAX},
        {"min_balance": 0, "max_balance": 0},
        {"external_id": "x" * 255},
        {"metadata": {"k": "v" * (16384 - 9)}},
    ):
        account = alice.call("open_account", **{"book_id": home.book_id, **GOOD, **more})
        assert more.items() <= account.items()


def test_codes_are_unique_in_their_book_alone(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    bank = {**GOOD, "code": "asset:bank"}
    alice.call("open_account", book_id=other, **bank)
    assert refusal(partial(alice.call, "open_account", book_id=other, **bank)) == "duplicate_code"


def test_a_repeat_under_an_id_returns_the_account_as_it_is_now(home: Household) -> None:
    bob = home.as_user("bob")
    mine = {"book_id": home.book_id, **FULL, "id": str(uuid.uuid4())}
    first = bob.call("open_account", **mine)
    assert first["id"] == mine["id"]
    assert bob.call("open_account", **mine) == first
    assert home.as_user("alice").call("open_account", **mine) == first
    renamed = bob.call(
        "update_account", book_id=home.book_id, account_id=mine["id"], name="New", code="new"
    )
    assert bob.call("open_account", **mine) == renamed


def test_defaults_are_the_same_request_as_nothing(home: Household) -> None:
    bob = home.as_user("bob")
    mine = {"book_id": home.book_id, **GOOD, "id": uuid.uuid4()}
    first = bob.call("open_account", **mine)
    defaults: dict[str, Any] = {"code": None, "min_balance": None, "payable": False, "metadata": {}}
    assert bob.call("open_account", **mine, **defaults) == first


def test_another_request_under_the_id_is_refused(home: Household) -> None:
    bob = home.as_user("bob")
    mine = {"book_id": home.book_id, **FULL, "id": uuid.uuid4()}
    bob.call("open_account", **mine)
    changes: list[dict[str, Any]] = [
        {"name": "Other"},
        {"type": "expense"},
        {"currency": "USD"},
        {"code": "other"},
        {"min_balance": -6},
        {"max_balance": None},
        {"payable": False},
        {"external_id": None},
        {"metadata": {"colour": "blue"}},
    ]
    assert_refused(home, bob, "open_account", mine, [(c, "idempotency_mismatch") for c in changes])


def test_the_id_of_another_book_is_free_in_this_one(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    again = {**GOOD, "id": home.accounts["bank"]}
    account = alice.call("open_account", book_id=other, **again)
    assert (account["book_id"], account["id"]) == (other, home.accounts["bank"])


def test_a_concurrent_repeat_waits_and_returns_the_same_account(home: Household) -> None:
    mine = {"book_id": home.book_id, **FULL, "id": str(uuid.uuid4())}
    first, twin = home.as_user("alice"), home.as_user("bob")
    opened = partial(first.call, "open_account", **mine)
    assert after(first, opened, twin, partial(twin.call, "open_account", **mine)) == opened()
    count = "select 1 as one from ledger.accounts where id = %s"
    assert len(first.query(count, [mine["id"]])) == 1


def test_twins_that_start_at_once_open_one_account(home: Household) -> None:
    sessions = home.as_user("alice"), home.as_user("bob")
    for number in range(20):
        mine = {"book_id": home.book_id, **FULL, "id": uuid.uuid4(), "code": f"twins:{number}"}
        twins = [partial(who.call, "open_account", **mine) for who in sessions]
        assert at_once(*twins) == ["none", "none"]
    assert len(sessions[0].query("select id from ledger.accounts where code ~ '^twins:'")) == 20


def test_of_two_accounts_with_one_code_the_second_waits_and_is_refused(home: Household) -> None:
    first, second = home.as_user("alice"), home.as_user("bob")
    opened = partial(first.call, "open_account", book_id=home.book_id, **FULL)
    attempt = partial(second.call, "open_account", book_id=home.book_id, **FULL)
    assert after(first, opened, second, partial(answer, attempt)) == "duplicate_code"
