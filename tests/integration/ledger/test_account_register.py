from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.callers import HIDDEN, READERS, answers, assert_refused
from tests.past import post_at
from tests.world import Household, Row, Session

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


def test_it_returns_the_entries_with_their_words_newest_first(home: Household) -> None:
    bob = home.as_user("bob")
    home.pay(bob, "world", "bank", 100, effective_on="2026-03-02", description="pay")
    receipt = home.pay(bob, "bank", "cash", 30, effective_on="2026-03-01", description="cash")

    lines = home.as_user("carol").rows(
        "account_register", book_id=home.book_id, account_id=home.accounts["bank"]
    )

    newest, oldest = lines
    assert newest == {
        "transaction_id": receipt["transaction_id"],
        "leg": 1,
        "kind": "transfer",
        "booked_at": newest["booked_at"],
        "effective_on": "2026-03-01",
        "description": "cash",
        "amount": -30,
        "running_balance": 70,
        "version": 2,
        "cursor": newest["cursor"],
    }
    assert (oldest["description"], oldest["leg"], oldest["amount"]) == ("pay", 2, 100)
    assert (oldest["running_balance"], oldest["version"]) == (100, 1)
    assert oldest["booked_at"] < newest["booked_at"]
    assert bob.rows("account_register", book_id=home.book_id, account_id=home.accounts["yen"]) == []


def test_pages_are_gapless_and_steady_while_new_entries_come(home: Household) -> None:
    bob = home.as_user("bob")
    for amount in range(1, 8):
        home.pay(bob, "world", "bank", amount)
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    amounts: list[int] = []
    before: str | None = None
    while page := bob.rows("account_register", **where, page_size=3, before=before):
        amounts += [line["amount"] for line in page]
        before = page[-1]["cursor"]
        home.pay(bob, "world", "bank", 99)
    assert amounts == [7, 6, 5, 4, 3, 2, 1]
    assert len(bob.rows("account_register", **where, page_size=1000)) == 10


def test_a_page_has_100_lines_unless_told_otherwise(home: Household) -> None:
    home.owner().query(
        "select ledger.transfer(%s, %s, %s, n) from generate_series(1, 101) as n",
        [home.book_id, home.accounts["world"], home.accounts["bank"]],
    )
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    lines = home.as_user("carol").rows("account_register", **where)
    assert [line["amount"] for line in lines] == list(range(101, 1, -1))


def _pages(who: Session, where: Row, page_size: int) -> list[Row]:
    lines: list[Row] = []
    before: str | None = None
    while page := who.rows("account_register", **where, page_size=page_size, before=before):
        assert len(page) <= page_size
        assert page[0] not in lines
        lines += page
        before = page[-1]["cursor"]
    return lines


def test_entries_of_one_moment_keep_the_order_of_their_versions(home: Household) -> None:
    for amount in range(1, 8):
        post_at(home, NOON, "world", "bank", amount)
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    lines = _pages(home.as_user("carol"), where, 2)
    assert [line["version"] for line in lines] == [7, 6, 5, 4, 3, 2, 1]
    assert [line["running_balance"] for line in lines] == [28, 21, 15, 10, 6, 3, 1]


@pytest.fixture
def wide(home: Household) -> Household:
    """An account `wide` with three slots; in each moment ids fall while versions rise."""
    account = {"name": "w", "type": "income", "currency": "EUR", "slots": 3}
    made = home.as_user("alice").call("open_account", book_id=home.book_id, **account)
    home.accounts["wide"] = made["id"]
    turns = [0, 1, 2, 0, 0, 0, 0, 2, 1, 2, 2, 0]
    for number, slot in enumerate(turns):
        giver, taker = ("wide", "bank") if number % 5 else ("world", "wide")
        at, key = NOON + number // 4 * timedelta(seconds=1), uuid.UUID(int=1000 - number)
        post_at(home, at, giver, taker, 2**number, slot=slot, transaction_id=key)
    return home


@pytest.mark.parametrize("page_size", [1, 2, 5, 12, 1000])
def test_several_slots_are_merged_with_a_balance_that_runs_through_all(
    wide: Household, page_size: int
) -> None:
    where = {"book_id": wide.book_id, "account_id": wide.accounts["wide"]}
    carol = wide.as_user("carol")
    lines = _pages(carol, where, page_size)
    assert len(lines) == 12
    order = [(line["booked_at"], line["transaction_id"], line["leg"]) for line in lines]
    assert order == sorted(order, reverse=True)
    balance = carol.call("get_balance", **where)["posted"]
    for line in lines:
        assert (line["running_balance"], line["version"]) == (balance, None)
        balance -= line["amount"]
    assert balance == 0


def test_pages_of_several_slots_are_steady_while_new_entries_come(wide: Household) -> None:
    where = {"book_id": wide.book_id, "account_id": wide.accounts["wide"]}
    carol = wide.as_user("carol")
    first = carol.rows("account_register", **where, page_size=5)
    wide.pay(wide.as_user("bob"), "wide", "bank", 1)
    rest = carol.rows("account_register", **where, before=first[-1]["cursor"])
    known = {line["cursor"]: line for line in carol.rows("account_register", **where)[1:]}
    assert [known[line["cursor"]] for line in first + rest] == first + rest
    assert len(first + rest) == len(known) == 12


def test_viewers_and_up_and_who_holds_it(home: Household) -> None:
    home.fund()
    where = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert answers(home, "account_register", **where) == READERS
    where["account_id"] = home.accounts["cash"]
    assert answers(home, "account_register", **where) == HIDDEN


def test_bad_input_is_refused_by_code(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    register = {"book_id": home.book_id, "account_id": home.accounts["world"]}
    home.pay(alice, "world", "cash", 1)
    foreign = alice.rows("account_register", **register)[0]
    slot, moment, version = foreign["cursor"].removeprefix("e").split("-")
    cursors = (
        *("", "e", "e0", "null", "v1", "e0-1-1", f"E{slot}-{moment}-{version}"),
        *(f"e{slot}-{moment}-{version}{more}" for more in (" ", "0", "\n", "x", "9" * 19)),
        *(f"e{slot}-{moment}0-{version}", f"e1-{moment}-{version}", f"e99-{moment}-{version}"),
        *(f"e{slot}-{moment}-0", f"e{slot}--{moment}-{version}", f"e-{slot}-{moment}-{version}"),
        *(f"e{slot}-{'9' * 17}-1", f"e{slot}--{'9' * 17}-1"),
        foreign["cursor"],
    )
    cases: list[tuple[dict[str, Any], str]] = [
        ({"book_id": None}, "book_not_found"),
        ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
        ({"book_id": other}, "account_not_found"),
        ({"account_id": None}, "account_not_found"),
        ({"account_id": uuid.UUID(int=1)}, "account_not_found"),
        *(({"page_size": size}, "invalid_argument") for size in (None, 0, -1, 1001)),
        *(({"before": cursor}, "invalid_cursor") for cursor in cursors),
    ]
    good = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert_refused(home, alice, "account_register", good, cases)
