from __future__ import annotations

import uuid

from tests.callers import READERS, answers, assert_refused
from tests.world import Household


def test_it_returns_every_account_of_the_book_by_id(home: Household) -> None:
    home.fund(100)
    alice, carol = home.as_user("alice"), home.as_user("carol")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    alice.call("open_account", book_id=other, name="x", type="asset", currency="EUR")

    balances = carol.rows("get_balances", book_id=home.book_id)

    assert [b["account_id"] for b in balances] == sorted(home.accounts.values())
    single = [
        carol.call("get_balance", book_id=home.book_id, account_id=b["account_id"])
        for b in balances
    ]
    assert balances == single
    assert sum(b["posted"] for b in balances) == 0


def test_account_ids_choose_and_unknown_ones_are_left_out(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    foreign = alice.call("open_account", book_id=other, name="x", type="asset", currency="EUR")
    chosen = [home.accounts["bank"], home.accounts["yen"]]
    asked = [*reversed(chosen), chosen[0], None, str(uuid.UUID(int=1)), foreign["id"]]

    balances = alice.rows("get_balances", book_id=home.book_id, account_ids=asked)

    assert [b["account_id"] for b in balances] == sorted(chosen)
    assert alice.rows("get_balances", book_id=home.book_id, account_ids=[]) == []
    everything = alice.rows("get_balances", book_id=home.book_id, account_ids=None)
    assert len(everything) == len(home.accounts)


def test_viewers_and_up(home: Household) -> None:
    assert answers(home, "get_balances", book_id=home.book_id) == READERS


def test_bad_input_is_refused_by_code(home: Household) -> None:
    assert_refused(
        home,
        home.as_user("alice"),
        "get_balances",
        {"book_id": home.book_id},
        [({"book_id": None}, "book_not_found"), ({"book_id": uuid.UUID(int=1)}, "book_not_found")],
    )
