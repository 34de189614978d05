"""Accounts with several slots: no hot row, one balance."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.callers import assert_refused
from tests.stepping import at_once
from tests.world import MAX, Household, Session, refusal

POSTS = ("transfer", "transfer_up_to", "post_transaction", "post_transactions")


@pytest.fixture
def home(home: Household) -> Household:
    """With an outside world of four slots."""
    home.accounts["wide"] = home.as_user("alice").call(
        "open_account", book_id=home.book_id, name="wide", type="equity", currency="EUR", slots=4
    )["id"]
    return home


def sessions_of_slots(home: Household, count: int = 2) -> list[Session]:
    """Sessions whose server processes use different slots."""
    found: dict[int, Session] = {}
    while len(found) < count:
        who = home.as_user("bob")
        found.setdefault(who.connection.info.backend_pid % 4, who)
    return list(found.values())


def post(home: Household, who: Session, function: str, amount: int = 1) -> object:
    """From the wide account to the bank."""
    sides = {
        "from_account_id": home.accounts["wide"],
        "to_account_id": home.accounts["bank"],
        "amount": amount,
    }
    item = home.item("wide", "bank", amount)
    special: dict[str, dict[str, object]] = {
        "post_transaction": item,
        "post_transactions": {"transactions": [item]},
    }
    return who.call(function, book_id=home.book_id, **special.get(function, sides))


def test_different_sessions_book_on_different_rows_and_the_balance_is_their_sum(
    home: Household,
) -> None:
    who = sessions_of_slots(home, 3)
    for number, session in enumerate(who):
        for function in POSTS:
            post(home, session, function, number + 1)
    rows = home.owner().query(
        "select slot, posted, version from ledger_private.balances"
        " where account_id = %s and version > 0",
        [home.accounts["wide"]],
    )
    expected = {
        session.connection.info.backend_pid % 4: (-4 * (number + 1), 4)
        for number, session in enumerate(who)
    }
    assert {row["slot"]: (row["posted"], row["version"]) for row in rows} == expected
    at = {"book_id": home.book_id, "account_id": home.accounts["wide"]}
    balance = who[0].call("get_balance", **at)
    assert (balance["posted"], balance["version"], balance["available"]) == (-24, None, None)
    assert home.posted("bank") == 24
    home.assert_sound()


@pytest.mark.parametrize("function", POSTS)
def test_they_do_not_wait_for_each_other(home: Household, function: str) -> None:
    one, two = sessions_of_slots(home)
    home.accounts["spare"] = home.as_user("alice").call(
        "open_account", book_id=home.book_id, name="spare", type="asset", currency="EUR"
    )["id"]
    one.query("begin")
    post(home, one, function)
    home.accounts["bank"], home.accounts["spare"] = home.accounts["spare"], home.accounts["bank"]
    two.query("set lock_timeout = '2s'")
    post(home, two, function)
    one.query("commit")
    home.assert_sound()


def test_receipts_say_no_version_and_no_balance_of_such_an_account(home: Household) -> None:
    bob = home.as_user("bob")
    item = home.item("wide", "bank", 5, idempotency_key="k")
    for _ in range(2):
        receipt = bob.call("post_transaction", book_id=home.book_id, **item)
        wide, bank = receipt["entries"]
        assert (wide["amount"], wide["balance_after"], wide["version"]) == (-5, None, None)
        assert (bank["amount"], bank["balance_after"], bank["version"]) == (5, 5, 1)
    first = home.pay(bob, "wide", "bank", 5)
    batch = bob.call(
        "post_transactions", book_id=home.book_id, transactions=[home.item("wide", "bank", 5)]
    )
    undone = bob.call(
        "reverse_transaction", book_id=home.book_id, transaction_id=first["transaction_id"]
    )
    for receipt in (first, batch["receipt"], undone):
        assert receipt["entries"][0]["account_id"] == home.accounts["wide"]
        assert receipt["entries"][0]["version"] is None
        assert receipt["entries"][0]["balance_after"] is None


def test_concurrent_postings_lose_nothing(home: Household) -> None:
    sessions = [home.as_user("bob") for _ in range(8)]

    def work(who: Session) -> list[str]:
        return [refusal(post, home, who, function) for function in POSTS * 5]

    with ThreadPoolExecutor(8) as pool:
        assert {told for each in pool.map(work, sessions) for told in each} == {"none"}
    assert home.posted("bank") == 160
    home.assert_sound()


def test_the_register_runs_over_all_slots(home: Household) -> None:
    for session in sessions_of_slots(home):
        post(home, session, "transfer", 3)
        post(home, session, "post_transaction", 4)
    lines = home.owner().rows(
        "account_register", book_id=home.book_id, account_id=home.accounts["wide"]
    )
    assert [line["running_balance"] for line in lines] == [-14, -10, -7, -3]
    assert {line["version"] for line in lines} == {None}


def test_limits_and_groups_and_expectations_need_one_slot(home: Household) -> None:
    alice = home.as_user("alice")
    wide = {"book_id": home.book_id, "account_id": home.accounts["wide"]}
    assert_refused(
        home,
        alice,
        "set_balance_limits",
        {**wide, "min_balance": None, "max_balance": None},
        [({"min_balance": -5}, "invalid_argument"), ({"max_balance": 5}, "invalid_argument")],
    )
    group = {"book_id": home.book_id, "name": "g", "min_total": -100}
    account_ids = [home.accounts["wide"]]
    assert refusal(alice.call, "set_account_group", **group, account_ids=account_ids) == (
        "invalid_argument"
    )
    expect = [{"account_id": home.accounts["wide"], "posted_eq": 0}]
    assert refusal(home.pay, alice, "wide", "bank", 1, expect=expect) == "invalid_argument"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"slots": 0}, "invalid_argument"),
        ({"slots": 65}, "invalid_argument"),
        ({"slots": -1}, "invalid_argument"),
        ({"slots": 2, "type": "asset"}, "invalid_argument"),
        ({"slots": 2, "min_balance": 0}, "invalid_argument"),
        ({"slots": 2, "max_balance": 9}, "invalid_argument"),
        ({"slots": 64}, "none"),
        ({"slots": 1, "max_balance": 9}, "none"),
    ],
)
def test_one_to_sixty_four_and_only_without_limits(
    home: Household, change: dict[str, object], code: str
) -> None:
    alice = home.as_user("alice")
    arguments = {"name": "n", "type": "income", "currency": "EUR", **change}
    assert refusal(alice.call, "open_account", book_id=home.book_id, **arguments) == code


@pytest.mark.parametrize("function", POSTS)
def test_each_slot_stays_so_small_that_the_sum_is_exact(home: Household, function: str) -> None:
    most = MAX // 4
    one, two = sessions_of_slots(home)
    assert refusal(post, home, one, function, most + 1) == "amount_out_of_range"
    assert refusal(home.pay, one, "world", "wide", most + 1) == "amount_out_of_range"
    for session in (one, two):
        post(home, session, function, most)
        assert refusal(post, home, session, function, 1) == "amount_out_of_range"
    assert home.posted("wide") == -2 * most
    home.assert_sound()


@pytest.mark.parametrize("function", POSTS)
def test_a_frozen_account_is_frozen_in_every_slot(home: Household, function: str) -> None:
    wide = {"book_id": home.book_id, "account_id": home.accounts["wide"]}
    home.as_user("alice").call("freeze_account", **wide)
    for session in sessions_of_slots(home, 3):
        assert refusal(post, home, session, function) == "account_frozen"


def test_a_freeze_waits_for_every_slot(home: Household) -> None:
    """It locks all rows before it changes any: freezing and posting at once never deadlock."""
    wide = {"book_id": home.book_id, "account_id": home.accounts["wide"]}
    alice = home.as_user("alice")
    jobs: list[Callable[[], object]] = [
        partial(_many, home, session) for session in sessions_of_slots(home, 3)
    ]
    told = at_once(*jobs, lambda: _flip(alice, wide))
    assert told == ["none"] * 4
    home.assert_sound()


def _many(home: Household, who: Session) -> None:
    for function in POSTS * 5:
        assert refusal(post, home, who, function) in ("none", "account_frozen")


def _flip(alice: Session, wide: dict[str, str]) -> None:
    for _ in range(8):
        alice.call("freeze_account", **wide)
        alice.call("unfreeze_account", **wide)
