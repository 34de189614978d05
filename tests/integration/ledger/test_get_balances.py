from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta

from tests.callers import READERS, answers, assert_refused, holder
from tests.past import post_at
from tests.world import MAX, Household, refusal

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


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


def test_the_past_of_each_account_is_that_of_get_balance(home: Household) -> None:
    post_at(home, NOON, "world", "bank", 100, date(2026, 1, 1))
    post_at(home, NOON + timedelta(hours=1), "bank", "cash", 30)
    carol = home.as_user("carol")
    chosen = [home.accounts["yen"], home.accounts["cash"]]
    for moment in ({"as_of": NOON}, {"effective_on": "2026-01-01"}, {"effective_on": "2026-04-01"}):
        every = carol.rows("get_balances", book_id=home.book_id, **moment)
        assert every == [
            carol.call("get_balance", book_id=home.book_id, account_id=account, **moment)
            for account in sorted(home.accounts.values())
        ]
        asked = [*chosen, chosen[0], None, str(uuid.UUID(int=1))]
        some = carol.rows("get_balances", book_id=home.book_id, account_ids=asked, **moment)
        assert some == [row for row in every if row["account_id"] in chosen]


def test_a_holder_gets_her_accounts_only_also_of_the_past(home: Household) -> None:
    post_at(home, NOON, "world", "bank", 100)
    heidi = holder(home)
    for moment in ({}, {"as_of": NOON}, {"effective_on": "2026-03-31"}):
        (row,) = heidi.rows("get_balances", book_id=home.book_id, **moment)
        assert (row["account_id"], row["posted"]) == (home.accounts["bank"], 100)
        asked = {"account_ids": [*home.accounts.values()], **moment}
        assert heidi.rows("get_balances", book_id=home.book_id, **asked) == [row]


def test_one_balance_out_of_range_refuses_the_page_that_has_it(home: Household) -> None:
    alice = home.as_user("alice")
    home.pay(alice, "world", "bank", MAX, effective_on="2026-03-01")
    home.pay(alice, "bank", "world", MAX, effective_on="2026-03-03")
    home.pay(alice, "world", "bank", MAX, effective_on="2026-03-02")
    day = {"book_id": home.book_id, "effective_on": "2026-03-02"}
    assert refusal(alice.rows, "get_balances", **day) == "amount_out_of_range"
    cash = alice.rows("get_balances", **day, account_ids=[home.accounts["cash"]])
    assert [row["posted"] for row in cash] == [0]


def test_viewers_and_up_and_holders_of_what_they_hold(home: Household) -> None:
    assert answers(home, "get_balances", book_id=home.book_id) == READERS


def test_bad_input_is_refused_by_code(home: Household) -> None:
    assert_refused(
        home,
        home.as_user("alice"),
        "get_balances",
        {"book_id": home.book_id},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"as_of": "infinity"}, "invalid_argument"),
            ({"effective_on": "-infinity"}, "invalid_argument"),
            ({"as_of": NOON, "effective_on": "2026-03-31"}, "invalid_argument"),
        ],
    )
