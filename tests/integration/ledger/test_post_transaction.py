"""ledger.post_transaction: one posting over many accounts."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.callers import POSTERS, answers, assert_refused, holder
from tests.world import MAX, Household, Refused, Row, Session, refusal

UNKNOWN = str(uuid.UUID(int=1))


def post(home: Household, who: Session, amounts: dict[str, int], **more: Any) -> Row:
    """Post over accounts by name."""
    return who.call("post_transaction", book_id=home.book_id, entries=home.lines(**amounts), **more)


def abroad(home: Household) -> None:
    """An account that gives JPY."""
    home.accounts["abroad"] = home.as_user("alice").call(
        "open_account", book_id=home.book_id, name="abroad", type="equity", currency="JPY"
    )["id"]


def test_it_moves_money_between_many_accounts_at_once(home: Household) -> None:
    home.fund(1000)
    bob = home.as_user("bob")

    receipt = post(home, bob, {"bank": -300, "cash": 100, "world": 200}, description="split")

    assert [home.posted(name) for name in ("bank", "cash", "world")] == [700, 100, -800]
    assert (receipt["kind"], receipt["replayed"], receipt["dry_run"]) == (
        "transaction",
        False,
        False,
    )
    assert [
        (line["account_id"], line["amount"], line["balance_after"], line["version"])
        for line in receipt["entries"]
    ] == [
        (home.accounts["bank"], -300, 700, 2),
        (home.accounts["cash"], 100, 100, 1),
        (home.accounts["world"], 200, -800, 2),
    ]
    stored = bob.query("select * from ledger.transactions where description = 'split'")[0]
    assert (str(stored["id"]), str(stored["created_by"])) == (
        receipt["transaction_id"],
        home.users["bob"],
    )
    home.assert_sound()


def test_each_currency_sums_to_zero_by_itself(home: Household) -> None:
    abroad(home)
    alice = home.as_user("alice")
    post(home, alice, {"world": -5, "abroad": -700, "bank": 5, "yen": 700})
    assert (home.posted("bank"), home.posted("yen")) == (5, 700)
    for amounts in (
        {"world": -5, "bank": 4},
        {"world": -5, "yen": 5},
        {"world": -5, "bank": 5, "abroad": -7, "yen": 6},
        {"world": 5, "bank": 5},
    ):
        assert (amounts, refusal(post, home, alice, amounts)) == (amounts, "unbalanced")
    home.assert_sound()


def test_a_thousand_entries_are_one_transaction(home: Household) -> None:
    alice = home.as_user("alice")
    made = alice.query(
        """
        select count(ledger.open_account(%s, 'n' || n, 'expense', 'EUR', id => i.id))
        from generate_series(1, 1000) as n, lateral (
            select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid as id
        ) as i
        """,
        [home.book_id],
    )
    assert made[0]["count"] == 1000
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(1, 1001)]
    lines = [{"account_id": i, "amount": 1} for i in ids[:999]] + home.lines(world=-999)
    receipt = alice.call("post_transaction", book_id=home.book_id, entries=lines)
    assert len(receipt["entries"]) == 1000
    lines = [{"account_id": i, "amount": 1} for i in ids] + home.lines(world=-1000)
    assert (
        refusal(alice.call, "post_transaction", book_id=home.book_id, entries=lines)
        == "invalid_argument"
    )
    home.assert_sound()


def test_the_value_date_is_the_callers_or_today(home: Household) -> None:
    alice = home.as_user("alice")
    dated = post(home, alice, {"world": -5, "bank": 5}, effective_on="2020-02-29")
    assert dated["effective_on"] == "2020-02-29"
    at = {"book_id": home.book_id, "account_id": home.accounts["bank"]}
    assert alice.call("get_balance", **at, effective_on="2020-02-28")["posted"] == 0
    assert alice.call("get_balance", **at, effective_on="2020-02-29")["posted"] == 5


def test_funds_are_those_of_each_account_and_the_details_name_it(home: Household) -> None:
    home.fund(100)
    with pytest.raises(Refused) as refused:
        post(home, home.as_user("bob"), {"world": -5, "cash": 106, "bank": -101})
    assert refused.value.code == "insufficient_funds"
    assert refused.value.details == {
        "account_id": home.accounts["bank"],
        "available": 100,
        "required": 101,
    }


def test_a_ceiling_holds_to_the_cent(home: Household) -> None:
    alice = home.as_user("alice")
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    alice.call("set_balance_limits", **cash, min_balance=0, max_balance=100)
    post(home, alice, {"world": -100, "cash": 100})
    with pytest.raises(Refused) as refused:
        post(home, alice, {"world": -1, "cash": 1})
    assert refused.value.code == "limit_exceeded"
    assert refused.value.details == {
        "account_id": home.accounts["cash"],
        "max_balance": 100,
        "balance": 101,
    }


@pytest.mark.parametrize("account", ["bank", "world"])
def test_a_frozen_account_takes_no_part(home: Household, account: str) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts[account]}
    alice.call("freeze_account", **where)
    assert refusal(post, home, alice, {"world": -5, "bank": 5}) == "account_frozen"
    alice.call("unfreeze_account", **where)
    post(home, alice, {"world": -5, "bank": 5})


def test_balances_stay_where_json_is_exact(home: Household) -> None:
    alice = home.as_user("alice")
    post(home, alice, {"world": -MAX, "bank": MAX})
    other = alice.call(
        "open_account", book_id=home.book_id, name="o", type="equity", currency="EUR"
    )
    home.accounts["other"] = other["id"]
    for amounts in ({"other": -1, "bank": 1}, {"world": -1, "other": 1}):
        assert refusal(post, home, alice, amounts) == "amount_out_of_range"
    home.assert_sound()


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    foreign = alice.call("create_book", name="other", base_currency="EUR")["id"]
    theirs = alice.call("open_account", book_id=foreign, name="x", type="equity", currency="EUR")
    good: Row = {"book_id": home.book_id, "entries": home.lines(bank=-5, cash=5)}

    def lines(first: object, second: object = 5, account: object = home.accounts["cash"]) -> Row:
        entry = {"account_id": home.accounts["bank"], "amount": first}
        return {"entries": [entry, {"account_id": account, "amount": second}]}

    assert_refused(
        home,
        alice,
        "post_transaction",
        good,
        [
            ({"book_id": UNKNOWN}, "book_not_found"),
            ({"book_id": None}, "book_not_found"),
            ({"entries": None}, "invalid_argument"),
            ({"entries": []}, "invalid_argument"),
            ({"entries": home.lines(bank=-5)}, "invalid_argument"),
            (lines(0, 0), "invalid_amount"),
            (lines(-5, None), "invalid_amount"),
            (lines(-MAX - 1, MAX + 1), "invalid_amount"),
            (lines(-(2**63), 5), "invalid_amount"),
            (lines(-5, 4), "unbalanced"),
            (lines(-5, 5, None), "account_not_found"),
            (lines(-5, 5, UNKNOWN), "account_not_found"),
            (lines(-5, 5, theirs["id"]), "account_not_found"),
            (lines(-5, 5, home.accounts["bank"]), "same_account"),
            (lines(-5, 5, home.accounts["yen"]), "unbalanced"),
            (lines(-101, 101), "insufficient_funds"),
            ({"idempotency_key": ""}, "invalid_argument"),
            ({"idempotency_key": "é" * 128}, "invalid_argument"),
            ({"description": "d" * 1001}, "invalid_argument"),
            ({"external_id": ""}, "invalid_argument"),
            ({"metadata": {"k": "v" * 16384}}, "invalid_argument"),
            ({"metadata": "[]"}, "invalid_argument"),
            ({"effective_on": "infinity"}, "invalid_argument"),
        ],
    )


class TestIdempotency:
    def test_a_repeat_returns_the_first_receipt(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        first = post(home, bob, {"bank": -5, "cash": 5}, idempotency_key="k")
        post(home, bob, {"bank": -5, "cash": 5})
        again = post(home, bob, {"bank": -5, "cash": 5}, idempotency_key="k", metadata={})
        assert again == {**first, "replayed": True}
        assert home.posted("cash") == 10

    @pytest.mark.parametrize(
        ("amounts", "more"),
        [
            ({"bank": -6, "cash": 6}, {}),
            ({"cash": 5, "bank": -5}, {}),
            ({"bank": -5, "cash": 5}, {"description": "d"}),
            ({"bank": -5, "cash": 5}, {"effective_on": "2020-01-01"}),
            ({"bank": -5, "cash": 5}, {"external_id": "x"}),
            ({"bank": -5, "cash": 5}, {"metadata": {"a": None}}),
        ],
    )
    def test_another_request_under_the_key_is_refused(
        self, home: Household, amounts: dict[str, int], more: Row
    ) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        post(home, bob, {"bank": -5, "cash": 5}, idempotency_key="k")
        before = home.state()
        assert refusal(post, home, bob, amounts, idempotency_key="k", **more) == (
            "idempotency_mismatch"
        )
        assert home.state() == before

    def test_a_transfer_is_another_request(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        home.pay(bob, "bank", "cash", 5, idempotency_key="k")
        assert refusal(post, home, bob, {"bank": -5, "cash": 5}, idempotency_key="k") == (
            "idempotency_mismatch"
        )

    def test_a_refused_key_may_succeed_later(self, home: Household) -> None:
        bob = home.as_user("bob")
        attempt = {"bank": -5, "cash": 5}
        assert refusal(post, home, bob, attempt, idempotency_key="k") == "insufficient_funds"
        home.fund(5)
        assert post(home, bob, attempt, idempotency_key="k")["replayed"] is False

    def test_a_replay_is_answered_whatever_was_closed_since(self, home: Household) -> None:
        home.fund(100)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        arguments = {"idempotency_key": "k", "effective_on": "2026-01-15"}
        post(home, bob, {"bank": -5, "cash": 5}, **arguments)
        book = {"book_id": home.book_id}
        alice.call("freeze_account", **book, account_id=home.accounts["bank"])
        alice.call("lock_period", **book, from_date="2026-01-01", to_date="2026-01-31")
        alice.call("update_book", **book, archived=True)
        assert post(home, bob, {"bank": -5, "cash": 5}, **arguments)["replayed"]
        assert refusal(post, home, bob, {"bank": -5, "cash": 5}) == "book_archived"


def test_who_may_post(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    alice.call(
        "update_account", book_id=home.book_id, account_id=home.accounts["cash"], payable=True
    )
    entries = home.lines(bank=-1, cash=1)
    assert answers(home, "post_transaction", book_id=home.book_id, entries=entries) == POSTERS


def test_a_holder_sees_only_her_own_lines(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    alice.call("update_account", **cash, payable=True)
    heidi = holder(home)
    receipt = post(home, heidi, {"bank": -5, "cash": 5}, idempotency_key="k")
    assert [line["account_id"] for line in receipt["entries"]] == [home.accounts["bank"]]
    again = post(home, heidi, {"bank": -5, "cash": 5}, idempotency_key="k")
    assert again == {**receipt, "replayed": True}
    assert refusal(post, home, heidi, {"bank": -5, "world": 5}) == "account_not_found"
    assert refusal(post, home, heidi, {"cash": -5, "bank": 5}) == "account_not_found"


def test_what_is_not_for_her_is_told_as_what_is_not_there(home: Household) -> None:
    """Not by its currency: that would tell that the account exists."""
    home.fund(100)
    heidi = holder(home)
    home.accounts["nowhere"] = UNKNOWN
    told = {
        name: refusal(post, home, heidi, {"bank": -5, name: 5})
        for name in ("yen", "cash", "nowhere")
    }
    assert told == dict.fromkeys(told, "account_not_found")
