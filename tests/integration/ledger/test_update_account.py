from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from tests.callers import EDITORS, answer, answers, assert_refused
from tests.stepping import after, at_once
from tests.world import Household


def test_it_changes_what_is_given_and_leaves_the_rest(home: Household) -> None:
    home.fund(7)
    bob = home.as_user("bob")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    account = bob.call("update_account", **where)
    assert (account["name"], account["posted"], account["version"]) == ("bank", 7, 1)
    for change in (
        {"name": "銀行 🏦"},
        {"code": "assets:giro"},
        {"payable": True},
        {"external_id": "IBAN"},
        {"metadata": {"a": {"b": None}}},
        {"metadata": {"c": 1}},
        {"payable": False, "name": "n" * 255, "code": "c" * 255, "external_id": "x" * 255},
    ):
        account = {**account, **change}
        assert bob.call("update_account", **where, **change) == account
    stored = bob.query(
        "select to_json(a) as a from ledger.accounts as a where id = %s", [where["account_id"]]
    )
    assert stored[0]["a"] == account


def test_a_frozen_account_can_be_renamed(home: Household) -> None:
    alice = home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    alice.call("freeze_account", **where)
    assert alice.call("update_account", **where, name="Frozen")["status"] == "frozen"


def test_editors_and_owners(home: Household) -> None:
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert answers(home, "update_account", **where, name="n") == EDITORS
    assert answers(home, "update_account", **where, code="c") == EDITORS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    bad: dict[str, list[Any]] = {
        "name": ["", "n" * 256, "é" * 128],
        "code": ["", ":", "a:", ":a", "a::b", "a\tb", "a\n", "c" * 256, "é" * 128],
        "external_id": ["", "x" * 256],
        "metadata": ["[]", '"text"', "1", "null", {"k": "v" * 16384}],
    }
    cases: list[tuple[dict[str, Any], str]] = [
        ({name: value}, "invalid_argument") for name, values in bad.items() for value in values
    ]
    cases += [
        ({"book_id": None}, "book_not_found"),
        ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
        ({"book_id": other}, "account_not_found"),
        ({"account_id": None}, "account_not_found"),
        ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
        ({"code": "asset:cash"}, "duplicate_code"),
    ]
    good = {"book_id": home.book_id, "account_id": home.accounts["bank"], "name": "New"}
    assert_refused(home, alice, "update_account", good, cases)


def test_codes_of_a_book_change_one_at_a_time(home: Household) -> None:
    first, second = home.as_user("alice"), home.as_user("bob")
    bank, cash = (
        {"book_id": home.book_id, "account_id": home.accounts[name]} for name in ("bank", "cash")
    )
    change = partial(first.call, "update_account", **bank, code="new:bank")
    taken = partial(second.call, "update_account", **cash, code="new:bank")
    other = partial(second.call, "update_account", **cash, code="new:cash")
    assert after(first, change, second, partial(answer, taken)) == "duplicate_code"
    assert after(first, change, second, partial(answer, other)) == "none"


def test_two_accounts_that_swap_their_codes_at_once_never_deadlock(home: Household) -> None:
    sessions = home.as_user("alice"), home.as_user("bob")
    for number in range(10):
        accounts = home.accounts["bank"], home.accounts["cash"]
        codes = [f"{number}:{end}" for end in ("bank", "cash")]
        for account, code in zip(accounts, codes, strict=True):
            sessions[0].call("update_account", book_id=home.book_id, account_id=account, code=code)
        swaps = [
            partial(who.call, "update_account", book_id=home.book_id, account_id=account, code=code)
            for who, account, code in zip(sessions, accounts, reversed(codes), strict=True)
        ]
        assert at_once(*swaps) == ["duplicate_code"] * 2
