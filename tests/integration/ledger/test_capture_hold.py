"""ledger.capture_hold: one call, its refusals, its replays. Races: test_holds_races.py."""

from __future__ import annotations

import uuid
from functools import partial

import pytest

from tests.callers import EDITORS, answer, answers, assert_refused, everybody
from tests.holding import capture, group, hold, money, open_account, overdue, release, rule, state
from tests.world import MAX, Household, Refused


def test_it_posts_what_is_held_and_names_the_hold(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 30)
    receipt = capture(home, bob, held, metadata={"room": 7, "hold_id": "mine"}, description="Stay")
    assert (receipt["kind"], receipt["replayed"], receipt["dry_run"]) == ("capture", False, False)
    given, taken = receipt["entries"]
    assert given == {
        "account_id": home.accounts["bank"],
        "amount": -30,
        "balance_after": 70,
        "version": 2,
    }
    assert (taken["account_id"], taken["amount"]) == (home.accounts["cash"], 30)
    assert money(home) == (70, 0, 70)
    assert state(home, held) == ("captured", 30, 0)
    stored = bob.query(
        "select description, metadata from ledger.transactions where id = %s",
        [receipt["transaction_id"]],
    )
    assert stored == [{"description": "Stay", "metadata": {"room": 7, "hold_id": held["id"]}}]
    home.assert_sound()


def test_editors_and_owners_may(home: Household) -> None:
    home.fund(100)
    held = hold(home, home.as_user("bob"), 50)
    told = answers(
        home, "capture_hold", book_id=home.book_id, hold_id=held["id"], amount=1, final=False
    )
    assert told == EDITORS


def test_a_hold_can_be_captured_in_parts_until_the_final_one(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 50)
    capture(home, bob, held, 10, final=False)
    assert money(home) == (90, 40, 50)
    assert state(home, held) == ("pending", 10, 0)
    home.assert_sound()
    capture(home, bob, held, 15)
    assert money(home) == (75, 0, 75)
    assert state(home, held) == ("captured", 25, 25)
    assert answer(partial(capture, home, bob, held, 1)) == "hold_state"
    home.assert_sound()


@pytest.mark.parametrize("amount", [None, 40])
def test_the_last_part_is_final_also_where_it_is_not_said(
    home: Household, amount: int | None
) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 50)
    capture(home, bob, held, 10, final=False)
    capture(home, bob, held, amount, final=False)
    assert state(home, held) == ("captured", 50, 0)
    assert money(home) == (50, 0, 50)


def test_it_never_fails_for_funds(home: Household) -> None:
    home.fund(100)
    open_account(home, "loan")
    bob = home.as_user("bob")
    held = hold(home, bob, 60)
    home.pay(bob, "bank", "cash", 40)
    group(home, 0, "bank", "loan")
    capture(home, bob, held, 10, final=False)
    capture(home, bob, held, 20)
    assert money(home) == (30, 0, 30)
    home.assert_sound()


@pytest.mark.parametrize("amount", [0, -1, 31, MAX + 1])
def test_at_most_what_is_left_can_be_captured(home: Household, amount: int) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 40)
    capture(home, bob, held, 10, final=False)
    before = home.state()
    with pytest.raises(Refused) as told:
        capture(home, bob, held, amount)
    assert (told.value.code, told.value.details) == (
        "invalid_amount",
        {"amount": amount, "remaining": 30},
    )
    assert home.state() == before


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    held = hold(home, alice, 10)
    assert_refused(
        home,
        alice,
        "capture_hold",
        {"book_id": home.book_id, "hold_id": held["id"]},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "hold_not_found"),
            ({"hold_id": None}, "hold_not_found"),
            ({"hold_id": uuid.UUID(int=1)}, "hold_not_found"),
            ({"final": None}, "invalid_argument"),
            ({"idempotency_key": ""}, "invalid_argument"),
            ({"effective_on": "infinity"}, "invalid_argument"),
            ({"description": "d" * 1001}, "invalid_argument"),
            ({"external_id": ""}, "invalid_argument"),
            ({"metadata": "[]"}, "invalid_argument"),
        ],
    )


def test_what_is_no_longer_pending_says_its_state(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 40)
    release(home, bob, held)
    with pytest.raises(Refused) as told:
        capture(home, bob, held)
    assert (told.value.code, told.value.status) == ("hold_state", 409)
    assert told.value.details == {"hold_id": held["id"], "state": "released"}


def test_past_its_time_a_hold_can_no_longer_be_captured(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 40, expires_at="2099-01-01T00:00:00Z")
    overdue(home, held)
    assert answer(partial(capture, home, bob, held)) == "hold_expired"
    assert money(home) == (100, 40, 60)


@pytest.mark.parametrize("account", ["bank", "cash"])
def test_both_accounts_have_to_be_open(home: Household, account: str) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 40)
    rule(home, "freeze_account", account)
    assert answer(partial(capture, home, bob, held)) == "account_frozen"
    assert state(home, held) == ("pending", 0, 0)


def test_an_account_that_was_closed_since_takes_nothing(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 40)
    rule(home, "close_account", "cash")
    assert answer(partial(capture, home, bob, held)) == "account_closed"


def test_the_receivers_ceiling_holds(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 40)
    rule(home, "set_balance_limits", "cash", min_balance=0, max_balance=39)
    assert answer(partial(capture, home, bob, held)) == "limit_exceeded"
    capture(home, bob, held, 39)


def test_a_locked_period_takes_no_capture(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    held = hold(home, alice, 40)
    alice.call("lock_period", book_id=home.book_id, from_date="2026-01-01", to_date="2026-01-31")
    late = partial(capture, home, alice, held, effective_on="2026-01-31")
    assert answer(late) == "period_locked"
    assert capture(home, alice, held, effective_on="2026-02-01")["effective_on"] == "2026-02-01"


def test_expectations_are_compared_under_the_locks(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    held = hold(home, bob, 40)
    world = {"account_id": home.accounts["world"], "posted_eq": -99}
    assert answer(partial(capture, home, bob, held, expect=[world])) == "version_conflict"
    world = {"account_id": home.accounts["world"], "posted_eq": -100}
    capture(home, bob, held, expect=[world])


class TestIdempotency:
    def test_a_replay_returns_the_first_receipt_when_the_hold_is_captured_since(
        self, home: Household
    ) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        held = hold(home, bob, 40)
        first = capture(home, bob, held, 10, final=False, idempotency_key="k")
        capture(home, bob, held)
        rule(home, "freeze_account", "bank")
        again = capture(home, bob, held, 10, final=False, idempotency_key="k")
        assert again == {**first, "replayed": True}
        assert state(home, held) == ("captured", 40, 0)

    def test_another_request_under_the_key_is_refused(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        held, other = hold(home, bob, 40), hold(home, bob, 40)
        first = partial(capture, home, bob, held, 10, idempotency_key="k")
        receipt = first(final=False)
        for attempt in (
            first,
            partial(capture, home, bob, held, 11, final=False, idempotency_key="k"),
            partial(capture, home, bob, held, final=False, idempotency_key="k"),
            partial(capture, home, bob, other, 10, final=False, idempotency_key="k"),
            partial(first, final=False, description="d"),
        ):
            assert answer(attempt) == "idempotency_mismatch"
        assert first(final=False) == {**receipt, "replayed": True}

    def test_an_archived_book_answers_a_replay_and_nothing_else(self, home: Household) -> None:
        home.fund(100)
        alice = home.as_user("alice")
        held = hold(home, alice, 40)
        first = capture(home, alice, held, 10, final=False, idempotency_key="k")
        alice.call("update_book", book_id=home.book_id, archived=True)
        again = capture(home, alice, held, 10, final=False, idempotency_key="k")
        assert again == {**first, "replayed": True}
        for attempt in (
            partial(capture, home, alice, held, idempotency_key="new"),
            partial(release, home, alice, held),
            partial(hold, home, alice, 1),
        ):
            assert answer(attempt) == "book_archived"


class TestDryRun:
    def test_it_says_what_would_come_and_changes_nothing(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        held = hold(home, bob, 40)
        before = home.state()
        dry = capture(home, bob, held, 15, idempotency_key="k", dry_run=True)
        assert home.state() == before
        assert state(home, held) == ("pending", 0, 0)
        assert (dry["transaction_id"], dry["dry_run"], dry["replayed"]) == (None, True, False)
        wet = capture(home, bob, held, 15, idempotency_key="k")
        assert wet["entries"] == dry["entries"]
        replay = capture(home, bob, held, 15, idempotency_key="k", dry_run=True)
        assert (replay["transaction_id"], replay["replayed"]) == (None, True)

    def test_it_is_refused_as_the_call_would_be(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        held = hold(home, bob, 40)
        assert answer(partial(capture, home, bob, held, 41, dry_run=True)) == "invalid_amount"
        release(home, bob, held)
        assert answer(partial(capture, home, bob, held, dry_run=True)) == "hold_state"


def test_a_holder_sees_her_hold_and_cannot_capture_it(home: Household) -> None:
    home.fund(100)
    held = hold(home, home.as_user("bob"), 40)
    heidi = everybody(home)["holder"]
    assert answer(partial(capture, home, heidi, held)) == "forbidden"
    assert len(heidi.query("select 1 as one from ledger.holds")) == 1
