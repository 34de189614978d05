"""ledger.exchange: calls, refusals, replays, round trips. Races: test_reversal_races.py."""

from __future__ import annotations

import uuid
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.callers import EDITORS, answer, answers, assert_refused
from tests.conftest import Cluster
from tests.holding import group, open_account, rule, swap
from tests.world import MAX, Household, Row, household

CONVERSIONS = """
    select to_json(a) as a from ledger.accounts as a where name like 'Conversion %%' order by name
"""


def _totals(home: Household) -> dict[str, int]:
    rows = home.owner().query(
        "select currency, sum(posted)::bigint as total from ledger_private.balances group by 1"
    )
    return {row["currency"]: row["total"] for row in rows}


def _stated(home: Household, receipt: Row) -> Row:
    rows = home.owner().query(
        "select metadata from ledger.transactions where id = %s", [receipt["transaction_id"]]
    )
    return dict(rows[0]["metadata"])


def test_four_legs_go_through_the_conversion_accounts(home: Household) -> None:
    home.fund(100_00)
    bob = home.as_user("bob")
    receipt = swap(home, bob, "bank", "yen", 60_00, 9012, metadata={"desk": 4})
    euros, yens = (row["a"] for row in bob.query(CONVERSIONS))
    assert (receipt["kind"], receipt["replayed"], receipt["dry_run"]) == ("exchange", False, False)
    assert [(e["account_id"], e["amount"]) for e in receipt["entries"]] == [
        (home.accounts["bank"], -60_00),
        (euros["id"], 60_00),
        (yens["id"], -9012),
        (home.accounts["yen"], 9012),
    ]
    assert (home.posted("bank"), home.posted("yen")) == (40_00, 9012)
    stated = _stated(home, receipt)
    assert stated.pop("desk") == 4
    assert stated["exchange"].pop("rounding")
    assert stated == {
        "exchange": {
            "sell_currency": "EUR",
            "buy_currency": "JPY",
            "sell_amount": 60_00,
            "buy_amount": 9012,
            "rate": "150.2",
        }
    }
    assert _totals(home) == {"EUR": 0, "JPY": 0}
    home.assert_sound()


def test_conversion_accounts_are_made_once_for_each_book_and_currency(home: Household) -> None:
    home.fund(100_00)
    bob = home.as_user("bob")
    swap(home, bob, "bank", "yen", 10_00, 1500)
    made = [row["a"] for row in bob.query(CONVERSIONS)]
    assert [
        (a["name"], a["currency"], a["type"], a["code"], a["slots"], a["min_balance"]) for a in made
    ] == [
        ("Conversion EUR", "EUR", "equity", None, 16, None),
        ("Conversion JPY", "JPY", "equity", None, 16, None),
    ]
    assert {uuid.UUID(a["id"]).version for a in made} == {8}
    assert {uuid.UUID(a["id"]).variant for a in made} == {uuid.RFC_4122}
    swap(home, bob, "yen", "bank", 1500, 10_00)
    assert [row["a"]["id"] for row in bob.query(CONVERSIONS)] == [a["id"] for a in made]

    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    euros, yens = (
        alice.call("open_account", book_id=other, name=c, type="equity", currency=c)["id"]
        for c in ("EUR", "JPY")
    )
    alice.call(
        "exchange",
        book_id=other,
        from_account_id=euros,
        to_account_id=yens,
        sell_amount=1,
        buy_amount=1,
    )
    ids = alice.query("select distinct id from ledger.accounts where name like 'Conversion %%'")
    assert len(ids) == 4


def test_a_conversion_account_is_no_party(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    swap(home, bob, "bank", "yen", 60, 9000)
    for currency in ("EUR", "JPY"):
        home.accounts[currency] = bob.query(
            "select id::text from ledger.accounts where name = %s", [f"Conversion {currency}"]
        )[0]["id"]
    for giver, taker in (("EUR", "yen"), ("bank", "JPY"), ("EUR", "JPY")):
        assert answer(partial(swap, home, bob, giver, taker, 1, 1)) == "invalid_argument"


def test_an_account_that_has_taken_the_place_is_refused(home: Household) -> None:
    home.fund(100_00)
    place = home.owner().query(
        "select ledger_private.conversion_account_id(%s, 'EUR')::text as id", [home.book_id]
    )[0]["id"]
    open_account(home, "squatter", id=place, currency="JPY")
    bob = home.as_user("bob")
    before = home.state()
    assert answer(partial(swap, home, bob, "bank", "yen", 1, 1)) == "idempotency_mismatch"
    assert home.state() == before


@pytest.mark.parametrize(
    ("sell", "buy", "rate"),
    [
        (100, 100, "100"),
        (3_00, 1, "0.3333333333"),
        (3_00, 2, "0.6666666667"),
        (1, MAX // 16, "56294995340000000"),
        (MAX // 16, 1, "0.0000000000001776356839"),
        (99999999999, 100000000000, "100"),
        (10_000_000_000_000, 99_999_999_995, "1"),
        (10_000_000_000_000, 99_999_999_985, "0.9999999999"),
        # A hair below the half: sixteen digits of the quotient would not show it.
        (562_949_953_421_309, 25_039_452_827_517, "4.447900328"),
    ],
)
def test_the_rate_is_told_to_ten_digits(home: Household, sell: int, buy: int, rate: str) -> None:
    bob = home.as_user("bob")
    told = _stated(home, swap(home, bob, "world", "yen", sell, buy))["exchange"]["rate"]
    exact = Decimal(buy) / (Decimal(sell) / 100)
    rounded = Context(prec=10, rounding=ROUND_HALF_UP).create_decimal(exact)
    assert Decimal(told) == rounded
    assert told == format(Decimal(rate).normalize(), "f")


def test_editors_and_owners_may(home: Household) -> None:
    home.fund(100_00)
    told = answers(
        home,
        "exchange",
        book_id=home.book_id,
        from_account_id=home.accounts["bank"],
        to_account_id=home.accounts["yen"],
        sell_amount=1,
        buy_amount=1,
    )
    assert told == EDITORS


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    assert_refused(
        home,
        alice,
        "exchange",
        {
            "book_id": home.book_id,
            "from_account_id": home.accounts["bank"],
            "to_account_id": home.accounts["yen"],
            "sell_amount": 10,
            "buy_amount": 10,
        },
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "account_not_found"),
            ({"from_account_id": None}, "account_not_found"),
            ({"from_account_id": uuid.UUID(int=1)}, "account_not_found"),
            ({"to_account_id": None}, "account_not_found"),
            ({"to_account_id": uuid.UUID(int=1)}, "account_not_found"),
            ({"to_account_id": home.accounts["bank"]}, "same_account"),
            ({"to_account_id": home.accounts["cash"]}, "invalid_argument"),
            ({"sell_amount": None}, "invalid_amount"),
            ({"sell_amount": 0}, "invalid_amount"),
            ({"sell_amount": MAX + 1}, "invalid_amount"),
            ({"buy_amount": None}, "invalid_amount"),
            ({"buy_amount": -1}, "invalid_amount"),
            ({"buy_amount": MAX + 1}, "invalid_amount"),
            ({"buy_amount": MAX}, "amount_out_of_range"),
            ({"sell_amount": 10001}, "insufficient_funds"),
            ({"idempotency_key": ""}, "invalid_argument"),
            ({"effective_on": "infinity"}, "invalid_argument"),
            ({"description": "d" * 1001}, "invalid_argument"),
            ({"external_id": ""}, "invalid_argument"),
            ({"metadata": "[]"}, "invalid_argument"),
        ],
    )


def test_floors_ceilings_states_groups_and_periods_hold(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    go = partial(swap, home, alice, "bank", "yen", 60, 9000)
    rule(home, "set_balance_limits", "yen", min_balance=0, max_balance=8999)
    assert answer(go) == "limit_exceeded"
    rule(home, "set_balance_limits", "yen", min_balance=0, max_balance=None)
    group(home, 41, "bank", "cash")
    assert answer(go) == "group_floor"
    home.fund(1, "cash")
    rule(home, "freeze_account", "yen")
    assert answer(go) == "account_frozen"
    rule(home, "unfreeze_account", "yen")
    alice.call("lock_period", book_id=home.book_id, from_date="2026-01-01", to_date="2026-01-31")
    assert answer(partial(go, effective_on="2026-01-01")) == "period_locked"
    stale = {"account_id": home.accounts["bank"], "version": 9}
    assert answer(partial(go, expect=[stale])) == "version_conflict"
    go()
    home.assert_sound()


def test_a_replay_returns_the_first_receipt(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    go = partial(swap, home, bob, "bank", "yen", idempotency_key="k")
    first = go(60, 9000)
    assert go(60, 9000) == {**first, "replayed": True}
    for attempt in (
        partial(go, 59, 9000),
        partial(go, 60, 9001),
        partial(go, 60, 9000, metadata={"a": 1}),
        partial(home.pay, bob, "bank", "cash", 60, idempotency_key="k"),
    ):
        assert answer(attempt) == "idempotency_mismatch"
    home.as_user("alice").call("update_book", book_id=home.book_id, archived=True)
    assert go(60, 9000) == {**first, "replayed": True}
    assert home.posted("yen") == 9000


@pytest.mark.parametrize("again", [False, True], ids=["first", "later"])
def test_a_dry_run_leaves_nothing_behind(home: Household, again: bool) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    if again:
        swap(home, bob, "bank", "yen", 1, 1)
    before = home.state()
    dry = swap(home, bob, "bank", "yen", 60, 9000, idempotency_key="k", dry_run=True)
    assert home.state() == before
    assert (dry["transaction_id"], dry["dry_run"], dry["replayed"]) == (None, True, False)
    assert [e["amount"] for e in dry["entries"]] == [-60, 60, -9000, 9000]
    refused = partial(swap, home, bob, "bank", "yen", 101, 1, dry_run=True)
    assert answer(refused) == "insufficient_funds"
    wet = swap(home, bob, "bank", "yen", 60, 9000, idempotency_key="k")
    assert wet["entries"] == dry["entries"]
    replay = swap(home, bob, "bank", "yen", 60, 9000, idempotency_key="k", dry_run=True)
    assert (replay["transaction_id"], replay["replayed"], replay["dry_run"]) == (None, True, True)


def test_a_round_trip_never_creates_money(newest: Cluster) -> None:
    """Whatever the amounts are, each currency sums to zero, and who lost has given to the pool."""
    database = newest.database("ledger")
    amounts = st.integers(1, MAX // 2**10)

    with household(database) as home:
        open_account(home, "yens", currency="JPY")
        bob, owner = home.as_user("bob"), home.owner()

        def posted() -> tuple[int, int]:
            """Of the two accounts; the rest of the book balances them."""
            rows = owner.query(
                "select currency, sum(posted)::bigint as total from ledger_private.balances"
                " group by currency having sum(posted) <> 0"
            )
            assert rows == []
            euros, yens = (
                owner.call("get_balance", book_id=home.book_id, account_id=home.accounts[name])
                for name in ("world", "yens")
            )
            return euros["posted"], yens["posted"]

        @settings(max_examples=40, deadline=None)
        @given(amounts, amounts, amounts)
        def round_trip(sold: int, bought: int, back: int) -> None:
            euros, yens = posted()
            swap(home, bob, "world", "yens", sold, bought)
            swap(home, bob, "yens", "world", bought, back)
            assert posted() == (euros - sold + back, yens)
            swap(home, bob, "world", "yens", back, bought)
            swap(home, bob, "yens", "world", bought, sold)
            assert posted() == (euros, yens)

        round_trip()
        home.assert_sound()
    newest.drop(database)
