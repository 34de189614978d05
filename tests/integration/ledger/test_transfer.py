"""ledger.transfer: one call, its refusals, its replays. Races: test_transfer_races.py."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from tests.world import MAX, Household, Refused, refusal


def nested(levels: int) -> dict[str, Any]:
    """An object this many levels deep."""
    return {"a": nested(levels - 1)} if levels > 1 else {"a": 1}


def test_it_takes_from_one_account_and_gives_to_the_other(home: Household) -> None:
    home.fund(1000)
    bob = home.as_user("bob")

    receipt = home.pay(bob, "bank", "cash", 250, description="pocket money")

    assert (home.posted("bank"), home.posted("cash")) == (750, 250)
    assert receipt["kind"] == "transfer"
    assert receipt["replayed"] is False
    assert receipt["dry_run"] is False
    given, taken = receipt["entries"]
    assert (given["amount"], given["balance_after"], given["version"]) == (-250, 750, 2)
    assert (taken["amount"], taken["balance_after"], taken["version"]) == (250, 250, 1)
    stored = bob.query("select * from ledger.transactions where description = 'pocket money'")[0]
    assert str(stored["created_by"]) == home.users["bob"]
    assert str(stored["id"]) == receipt["transaction_id"]
    home.assert_sound()


def test_the_value_date_is_today_in_utc_unless_given(home: Household) -> None:
    leap = home.pay(home.as_user("alice"), "world", "bank", 1, effective_on="2020-02-29")
    assert leap["effective_on"] == "2020-02-29"
    today = dt.date.fromisoformat(home.fund(1)["effective_on"])
    assert abs(today - dt.datetime.now(dt.UTC).date()) <= dt.timedelta(days=1)


def test_the_last_cent_can_be_spent_and_not_one_more(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    with pytest.raises(Refused) as refused:
        home.pay(alice, "bank", "cash", 101)
    assert refused.value.code == "insufficient_funds"
    assert refused.value.status == 422
    assert (refused.value.details["available"], refused.value.details["required"]) == (100, 101)
    home.pay(alice, "bank", "cash", 100)
    assert home.posted("bank") == 0


def test_a_ceiling_holds_to_the_cent(home: Household) -> None:
    alice = home.as_user("alice")
    alice.call(
        "set_balance_limits",
        book_id=home.book_id,
        account_id=home.accounts["cash"],
        min_balance=0,
        max_balance=100,
    )
    home.pay(alice, "world", "cash", 100)
    assert refusal(lambda: home.pay(alice, "world", "cash", 1)) == "limit_exceeded"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": 0}, "invalid_amount"),
        ({"amount": -1}, "invalid_amount"),
        ({"amount": MAX + 1}, "invalid_amount"),
        ({"amount": None}, "invalid_amount"),
        ({"from_account_id": uuid.UUID(int=1)}, "account_not_found"),
        ({"to_account_id": uuid.UUID(int=1)}, "account_not_found"),
        ({"from_account_id": None}, "account_not_found"),
        ({"to_account_id": None}, "account_not_found"),
        ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
        ({"book_id": None}, "book_not_found"),
        ({"idempotency_key": ""}, "invalid_argument"),
        ({"idempotency_key": "k" * 256}, "invalid_argument"),
        ({"idempotency_key": "é" * 128}, "invalid_argument"),
        ({"description": "d" * 1001}, "invalid_argument"),
        ({"external_id": "x" * 256}, "invalid_argument"),
        ({"external_id": ""}, "invalid_argument"),
        ({"metadata": {"k": "v" * 16384}}, "invalid_argument"),
        ({"metadata": nested(33)}, "invalid_argument"),
        ({"effective_on": "infinity"}, "invalid_argument"),
        ({"effective_on": "0044-03-15 BC"}, "invalid_argument"),
    ],
)
def test_bad_input_is_refused_by_code_and_changes_nothing(
    home: Household, change: dict[str, Any], code: str
) -> None:
    home.fund()
    before = home.state()
    alice = home.as_user("alice")
    arguments: dict[str, Any] = {
        "book_id": home.book_id,
        "from_account_id": home.accounts["bank"],
        "to_account_id": home.accounts["cash"],
        "amount": 1,
        **change,
    }
    assert refusal(lambda: alice.call("transfer", **arguments)) == code
    assert home.state() == before


def test_metadata_may_be_32_levels_deep(home: Household) -> None:
    home.pay(home.as_user("alice"), "world", "bank", 1, metadata=nested(32))


def test_metadata_has_to_be_an_object(home: Household) -> None:
    alice = home.as_user("alice")
    for value in ("[]", '"text"', "1", "null"):
        assert refusal(home.pay, alice, "world", "bank", 1, metadata=value) == "invalid_argument"


def test_an_account_cannot_pay_itself(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    assert refusal(lambda: home.pay(alice, "bank", "bank", 1)) == "same_account"


def test_currencies_do_not_mix(home: Household) -> None:
    alice = home.as_user("alice")
    assert refusal(lambda: home.pay(alice, "world", "yen", 1)) == "currency_mismatch"


@pytest.mark.parametrize("account", ["bank", "cash"])
def test_a_frozen_account_neither_gives_nor_takes(home: Household, account: str) -> None:
    home.fund()
    alice = home.as_user("alice")
    where = {"book_id": home.book_id, "account_id": home.accounts[account]}
    alice.call("freeze_account", **where)
    with pytest.raises(Refused) as refused:
        home.pay(alice, "bank", "cash", 1)
    assert (refused.value.code, refused.value.status) == ("account_frozen", 423)
    alice.call("unfreeze_account", **where)
    home.pay(alice, "bank", "cash", 1)


def test_balances_stay_where_json_is_exact(home: Household) -> None:
    alice = home.as_user("alice")
    home.pay(alice, "world", "bank", MAX)
    other = alice.call(
        "open_account", book_id=home.book_id, name="more", type="expense", currency="EUR"
    )
    for giver, taker in (
        (home.accounts["world"], other["id"]),
        (other["id"], home.accounts["bank"]),
    ):
        assert (
            refusal(
                alice.call,
                "transfer",
                book_id=home.book_id,
                from_account_id=giver,
                to_account_id=taker,
                amount=1,
            )
            == "amount_out_of_range"
        )
    home.assert_sound()


def test_an_account_of_another_book_does_not_exist(home: Household) -> None:
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    foreign = alice.call("open_account", book_id=other, name="x", type="expense", currency="EUR")[
        "id"
    ]
    home.fund()
    assert (
        refusal(
            lambda: alice.call(
                "transfer",
                book_id=home.book_id,
                from_account_id=home.accounts["bank"],
                to_account_id=foreign,
                amount=1,
            )
        )
        == "account_not_found"
    )


class TestIdempotency:
    def test_a_repeat_returns_the_first_receipt_with_the_balances_of_that_time(
        self, home: Household
    ) -> None:
        home.fund(1000)
        bob = home.as_user("bob")
        first = home.pay(bob, "bank", "cash", 100, idempotency_key="rent")
        home.pay(bob, "bank", "cash", 50)

        again = home.pay(bob, "bank", "cash", 100, idempotency_key="rent")

        assert again == {**first, "replayed": True}
        assert home.posted("cash") == 150

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": 101},
            {"description": "other"},
            {"effective_on": dt.date(2020, 1, 1)},
            {"external_id": "other"},
            {"metadata": {"other": None}},
        ],
        ids=str,
    )
    def test_another_request_under_the_key_is_refused(
        self, home: Household, change: dict[str, Any]
    ) -> None:
        home.fund(1000)
        alice = home.as_user("alice")
        home.pay(alice, "bank", "cash", 100, idempotency_key="k")
        arguments: dict[str, Any] = {"amount": 100, "idempotency_key": "k", **change}
        assert refusal(lambda: home.pay(alice, "bank", "cash", **arguments)) == (
            "idempotency_mismatch"
        )
        assert refusal(lambda: home.pay(alice, "cash", "bank", 100, idempotency_key="k")) == (
            "idempotency_mismatch"
        )

    def test_an_absent_argument_and_its_default_are_the_same_request(self, home: Household) -> None:
        alice = home.as_user("alice")
        home.pay(alice, "world", "bank", 1, idempotency_key="k")
        assert home.pay(
            alice, "world", "bank", 1, idempotency_key="k", metadata={}, description=None
        )["replayed"]

    def test_a_refusal_uses_no_key(self, home: Household) -> None:
        bob = home.as_user("bob")
        assert refusal(lambda: home.pay(bob, "bank", "cash", 5, idempotency_key="k")) == (
            "insufficient_funds"
        )
        home.fund(5)
        assert home.pay(bob, "bank", "cash", 5, idempotency_key="k")["replayed"] is False

    def test_a_replay_is_answered_whatever_was_closed_since(self, home: Household) -> None:
        home.fund()
        alice, bob = home.as_user("alice"), home.as_user("bob")
        home.pay(bob, "bank", "cash", 5, idempotency_key="k")
        alice.call("freeze_account", book_id=home.book_id, account_id=home.accounts["bank"])
        alice.call("update_book", book_id=home.book_id, archived=True)
        assert home.pay(bob, "bank", "cash", 5, idempotency_key="k")["replayed"]
        assert refusal(lambda: home.pay(bob, "bank", "cash", 5)) == "book_archived"

    def test_keys_of_two_books_are_strangers(self, home: Household) -> None:
        alice = home.as_user("alice")
        home.pay(alice, "world", "bank", 1, idempotency_key="k")
        other = alice.call("create_book", name="other", base_currency="EUR")["id"]
        ids = [
            alice.call("open_account", book_id=other, name=n, type="equity", currency="EUR")["id"]
            for n in "ab"
        ]
        assert not alice.call(
            "transfer",
            book_id=other,
            from_account_id=ids[0],
            to_account_id=ids[1],
            amount=1,
            idempotency_key="k",
        )["replayed"]


class TestCallers:
    def test_roles_decide(self, home: Household) -> None:
        home.fund()
        codes = {
            name: refusal(home.pay, home.as_user(name), "bank", "cash", 1)
            for name in ("alice", "bob", "carol", "mallory")
        }
        assert codes == {
            "alice": "none",
            "bob": "none",
            "carol": "forbidden",
            "mallory": "book_not_found",
        }

    def test_service_role_and_the_owner_of_the_schema_act_without_membership(
        self, home: Household
    ) -> None:
        home.pay(home.as_role("service_role"), "world", "bank", 2)
        home.pay(home.owner(), "bank", "cash", 1)
        makers = home.owner().query("select created_by from ledger.transactions")
        assert makers == [{"created_by": None}] * 2

    def test_a_token_without_sub_is_refused(self, home: Household) -> None:
        nobody = home.as_role("authenticated", {"role": "authenticated"})
        assert refusal(lambda: home.pay(nobody, "world", "bank", 1)) == "forbidden"
