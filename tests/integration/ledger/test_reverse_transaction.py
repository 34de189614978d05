"""ledger.reverse_transaction: calls, refusals, replays. Races: test_reversal_races.py."""

from __future__ import annotations

import uuid
from functools import partial

import pytest

from tests.callers import EDITORS, answer, answers, assert_refused
from tests.holding import capture, close, hold, money, reverse, rule, state, swap
from tests.world import MAX, Household, Refused, Row


def _three(home: Household) -> Row:
    """A transaction over three accounts."""
    return home.as_user("bob").call(
        "post_transaction",
        book_id=home.book_id,
        entries=home.lines(world=-70, bank=50, cash=20),
    )


def test_it_posts_the_entries_with_their_signs_turned(home: Household) -> None:
    bob = home.as_user("bob")
    first = home.fund(100)
    receipt = reverse(home, bob, first, description="Wrong account")
    assert (receipt["kind"], receipt["replayed"], receipt["dry_run"]) == ("reversal", False, False)
    assert [(e["account_id"], e["amount"]) for e in receipt["entries"]] == [
        (home.accounts["world"], 100),
        (home.accounts["bank"], -100),
    ]
    assert (home.posted("world"), home.posted("bank")) == (0, 0)
    stored = bob.query(
        "select reverses_id::text, description from ledger.transactions where id = %s",
        [receipt["transaction_id"]],
    )
    assert stored == [{"reverses_id": first["transaction_id"], "description": "Wrong account"}]
    home.assert_sound()


def test_editors_and_owners_may(home: Household) -> None:
    first = home.fund(100)
    told = answers(
        home,
        "reverse_transaction",
        book_id=home.book_id,
        transaction_id=first["transaction_id"],
        amount=1,
    )
    assert told == EDITORS


def test_partial_reversals_add_up_to_at_most_the_original(home: Household) -> None:
    first = home.fund(100)
    bob = home.as_user("bob")
    assert reverse(home, bob, first, 30)["entries"][1]["amount"] == -30
    with pytest.raises(Refused) as told:
        reverse(home, bob, first, 71)
    assert (told.value.code, told.value.status) == ("already_reversed", 409)
    assert told.value.details == {"transaction_id": first["transaction_id"], "remaining": 70}
    reverse(home, bob, first, 1)
    assert reverse(home, bob, first)["entries"][1]["amount"] == -69
    with pytest.raises(Refused) as told:
        reverse(home, bob, first)
    assert told.value.details["remaining"] == 0
    assert answer(partial(reverse, home, bob, first, 1)) == "already_reversed"
    assert home.posted("bank") == 0
    home.assert_sound()


def test_what_has_more_entries_is_reversed_whole_and_once(home: Household) -> None:
    first = _three(home)
    bob = home.as_user("bob")
    assert answer(partial(reverse, home, bob, first, 70)) == "invalid_argument"
    receipt = reverse(home, bob, first)
    assert [e["amount"] for e in receipt["entries"]] == [70, -50, -20]
    with pytest.raises(Refused) as told:
        reverse(home, bob, first)
    assert (told.value.code, told.value.details["remaining"]) == ("already_reversed", 0)
    home.assert_sound()


def test_a_reversal_can_be_reversed(home: Household) -> None:
    first = home.fund(100)
    bob = home.as_user("bob")
    back = reverse(home, bob, first)
    reverse(home, bob, back)
    assert home.posted("bank") == 100
    assert answer(partial(reverse, home, bob, first)) == "already_reversed"
    home.assert_sound()


def test_an_exchange_goes_back_at_its_own_rate(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    first = swap(home, bob, "bank", "yen", 60, 9000)
    assert answer(partial(reverse, home, bob, first, 60)) == "invalid_argument"
    reverse(home, bob, first)
    assert (home.posted("bank"), home.posted("yen")) == (100, 0)
    home.assert_sound()


def test_a_capture_can_be_reversed_and_its_hold_stays_captured(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 40)
    reverse(home, bob, capture(home, bob, held))
    assert money(home) == (100, 0, 100)
    assert state(home, held) == ("captured", 40, 0)
    home.assert_sound()


def test_what_was_given_has_to_be_there(home: Household) -> None:
    first = home.fund(100)
    bob = home.as_user("bob")
    home.pay(bob, "bank", "cash", 60)
    assert answer(partial(reverse, home, bob, first)) == "insufficient_funds"
    reverse(home, bob, first, 40)
    assert home.posted("bank") == 0


@pytest.mark.parametrize(
    ("function", "code"),
    [("freeze_account", "account_frozen"), ("close_account", "account_closed")],
)
def test_accounts_have_to_be_open(home: Household, function: str, code: str) -> None:
    first = home.fund(100)
    bob = home.as_user("bob")
    home.pay(bob, "bank", "cash", 100)
    rule(home, "set_balance_limits", "bank", min_balance=None, max_balance=None)
    rule(home, function, "bank")
    before = home.state()
    assert answer(partial(reverse, home, bob, first)) == code
    assert home.state() == before


def test_a_sweep_cannot_go_back_to_the_account_that_it_closed(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    close(home, alice, "bank", "cash")
    sweep = alice.query("select id::text from ledger.transactions where kind = 'sweep'")[0]["id"]
    assert answer(partial(reverse, home, alice, {"transaction_id": sweep})) == "account_closed"


def test_the_reversal_has_a_value_date_of_its_own(home: Household) -> None:
    alice = home.as_user("alice")
    first = home.pay(alice, "world", "bank", 5, effective_on="2026-01-15")
    alice.call("lock_period", book_id=home.book_id, from_date="2026-01-01", to_date="2026-01-31")
    late = partial(reverse, home, alice, first, effective_on="2026-01-31")
    assert answer(late) == "period_locked"
    assert reverse(home, alice, first, effective_on="2026-02-01")["effective_on"] == "2026-02-01"


def test_expectations_are_compared_under_the_locks(home: Household) -> None:
    first = home.fund(100)
    bob = home.as_user("bob")
    stale, right = ({"account_id": home.accounts["bank"], "version": version} for version in (0, 1))
    assert answer(partial(reverse, home, bob, first, expect=[stale])) == "version_conflict"
    reverse(home, bob, first, expect=[right])


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    first = home.fund()
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    assert_refused(
        home,
        alice,
        "reverse_transaction",
        {"book_id": home.book_id, "transaction_id": first["transaction_id"]},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "transaction_not_found"),
            ({"transaction_id": None}, "transaction_not_found"),
            ({"transaction_id": uuid.UUID(int=1)}, "transaction_not_found"),
            ({"amount": 0}, "invalid_amount"),
            ({"amount": -1}, "invalid_amount"),
            ({"amount": MAX + 1}, "invalid_amount"),
            ({"amount": MAX}, "already_reversed"),
            ({"idempotency_key": "k" * 256}, "invalid_argument"),
            ({"effective_on": "infinity"}, "invalid_argument"),
            ({"description": "d" * 1001}, "invalid_argument"),
            ({"external_id": ""}, "invalid_argument"),
            ({"metadata": "[]"}, "invalid_argument"),
        ],
    )


def test_a_replay_returns_the_first_receipt(home: Household) -> None:
    paid = home.fund(100)
    bob = home.as_user("bob")
    first = reverse(home, bob, paid, idempotency_key="k")
    assert reverse(home, bob, paid, idempotency_key="k") == {**first, "replayed": True}
    other = home.fund(100)
    for attempt in (
        partial(reverse, home, bob, paid, 100, idempotency_key="k"),
        partial(reverse, home, bob, other, idempotency_key="k"),
        partial(reverse, home, bob, paid, idempotency_key="k", external_id="x"),
    ):
        assert answer(attempt) == "idempotency_mismatch"
    home.as_user("alice").call("update_book", book_id=home.book_id, archived=True)
    assert reverse(home, bob, paid, idempotency_key="k") == {**first, "replayed": True}
    assert answer(partial(reverse, home, bob, other)) == "book_archived"


def test_a_dry_run_checks_the_same_and_changes_nothing(home: Household) -> None:
    paid = home.fund(100)
    bob = home.as_user("bob")
    before = home.state()
    dry = reverse(home, bob, paid, 60, idempotency_key="k", dry_run=True)
    assert home.state() == before
    assert (dry["transaction_id"], dry["dry_run"]) == (None, True)
    assert reverse(home, bob, paid, 60, idempotency_key="k")["entries"] == dry["entries"]
    assert answer(partial(reverse, home, bob, paid, 41, dry_run=True)) == "already_reversed"
