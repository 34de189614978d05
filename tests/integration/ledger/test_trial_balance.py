from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

from tests.callers import WHOLE, answers, assert_refused
from tests.past import post_at
from tests.world import MAX, Household, Row, refusal

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


def _sums(rows: list[Row]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        sums[row["currency"]] += row["posted"]
    return dict(sums)


def test_it_returns_every_account_by_id_as_get_balances_does(home: Household) -> None:
    home.fund(100)
    alice, carol = home.as_user("alice"), home.as_user("carol")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    alice.call("open_account", book_id=other, name="x", type="asset", currency="EUR")
    rows = carol.rows("trial_balance", book_id=home.book_id)
    assert rows == carol.rows("get_balances", book_id=home.book_id)
    assert [row["account_id"] for row in rows] == sorted(home.accounts.values())
    day = {"book_id": home.book_id, "effective_on": "2020-01-01"}
    assert carol.rows("trial_balance", **day) == carol.rows("get_balances", **day)


def test_it_sums_to_zero_per_currency_at_every_value_date(home: Household) -> None:
    alice, book = home.as_user("alice"), home.book_id
    account = {"name": "w", "type": "equity", "currency": "JPY", "slots": 4}
    home.accounts["wide"] = alice.call("open_account", book_id=book, **account)["id"]
    days = [None, date(2026, 2, 28), date(2026, 4, 30), date(2025, 12, 31), None, date(2026, 3, 1)]
    for number, day in enumerate(days):
        at = NOON + number * timedelta(days=1)
        post_at(home, at, "world", "bank", 2**number, day)
        post_at(home, at, "wide", "yen", 3**number, day, slot=number)
    carol = home.as_user("carol")
    for ahead in range(-100, 40):
        day = (NOON + ahead * timedelta(days=1)).date()
        rows = carol.rows("trial_balance", book_id=book, effective_on=day)
        assert _sums(rows) == {"EUR": 0, "JPY": 0}
        assert len(rows) == len(home.accounts)
    assert _sums(carol.rows("trial_balance", book_id=book)) == {"EUR": 0, "JPY": 0}
    bank = {row["account_id"]: row["posted"] for row in rows}[home.accounts["bank"]]
    assert bank == 2 ** len(days) - 1


def test_viewers_and_up_but_not_holders(home: Household) -> None:
    assert answers(home, "trial_balance", book_id=home.book_id) == WHOLE
    day = {"book_id": home.book_id, "effective_on": "2026-01-01"}
    assert answers(home, "trial_balance", **day) == WHOLE


def test_who_holds_accounts_of_one_book_may_view_another(home: Household) -> None:
    alice, heidi = home.as_user("alice"), home.as_user("heidi")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    member = {"book_id": other, "user_id": home.user("heidi")}
    alice.call("set_member", **member, role="viewer")
    hold = {"account_id": home.accounts["bank"], "user_id": home.users["heidi"], "access": "view"}
    alice.call("set_holder", book_id=home.book_id, **hold)
    assert heidi.rows("trial_balance", book_id=other) == []
    assert refusal(heidi.rows, "trial_balance", book_id=home.book_id) == "forbidden"


def test_bad_input_is_refused_by_code(home: Household) -> None:
    alice = home.as_user("alice")
    assert_refused(
        home,
        alice,
        "trial_balance",
        {"book_id": home.book_id},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            *(
                ({"effective_on": day}, "invalid_argument")
                for day in ("infinity", "-infinity", "0001-12-31 BC", "10000-01-01")
            ),
        ],
    )
    home.pay(alice, "world", "bank", MAX, effective_on="2026-03-01")
    home.pay(alice, "bank", "world", MAX, effective_on="2026-03-03")
    home.pay(alice, "world", "bank", MAX, effective_on="2026-03-02")
    day = {"book_id": home.book_id, "effective_on": "2026-03-02"}
    assert refusal(alice.rows, "trial_balance", **day) == "amount_out_of_range"
