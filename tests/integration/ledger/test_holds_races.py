"""Holds while others move the same money: both orders of each pair, stepped; and in a crowd."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest

from tests.callers import answer
from tests.holding import (
    capture,
    close,
    expire,
    group,
    hold,
    money,
    open_account,
    overdue,
    release,
    rule,
    state,
)
from tests.stepping import after, at_once, until_waiting
from tests.world import Household, Row, Session

LATER = "2099-01-01T00:00:00Z"
Step = Callable[[Household, Session, Row], object]

STEPS: dict[str, Step] = {
    "capture": lambda home, who, held: capture(home, who, held),
    "part": lambda home, who, held: capture(home, who, held, 10, final=False),
    "release": lambda home, who, held: release(home, who, held),
    "expire": lambda home, who, held: expire(home, who),
}


def _held(home: Household, amount: int = 40) -> Row:
    home.fund(100)
    return hold(home, home.as_user("bob"), amount, expires_at=LATER)


@pytest.mark.parametrize(
    ("first", "second", "told", "ends"),
    [
        ("capture", "capture", "hold_state", ("captured", 40, 0)),
        ("capture", "part", "hold_state", ("captured", 40, 0)),
        ("part", "capture", "none", ("captured", 40, 0)),
        ("part", "part", "none", ("pending", 20, 0)),
        ("capture", "release", "hold_state", ("captured", 40, 0)),
        ("part", "release", "none", ("released", 10, 30)),
        ("release", "capture", "hold_state", ("released", 0, 40)),
        ("release", "release", "hold_state", ("released", 0, 40)),
    ],
)
def test_one_hold_is_spent_once(
    home: Household, first: str, second: str, told: str, ends: tuple[str, int, int]
) -> None:
    held = _held(home)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    assert told == after(
        alice,
        partial(STEPS[first], home, alice, held),
        bob,
        lambda: answer(partial(STEPS[second], home, bob, held)),
    )
    assert state(home, held) == ends
    home.assert_sound()


@pytest.mark.parametrize("first", ["capture", "part", "release"])
def test_what_was_undone_leaves_the_hold_to_the_next(home: Household, first: str) -> None:
    held = _held(home)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    after(
        alice,
        partial(STEPS[first], home, alice, held),
        bob,
        partial(capture, home, bob, held),
        commit=False,
    )
    assert state(home, held) == ("captured", 40, 0)
    home.assert_sound()


class TestExpiry:
    """The clock is turned while the first holds its locks: the second finds the hold overdue."""

    @pytest.mark.parametrize(
        ("first", "ends"),
        [
            ("capture", ("captured", 40, 0)),
            ("release", ("released", 0, 40)),
            ("part", ("pending", 10, 0)),
        ],
    )
    def test_what_is_no_longer_pending_does_not_expire(
        self, home: Household, first: str, ends: tuple[str, int, int]
    ) -> None:
        held = _held(home)
        other = hold(home, home.as_user("bob"), 5, expires_at=LATER)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        overdue(home, other)
        expired = after(
            alice,
            partial(STEPS[first], home, alice, held),
            bob,
            partial(expire, home, bob),
        )
        assert expired == 1
        assert state(home, held) == ends
        home.assert_sound()

    @pytest.mark.parametrize("first", ["release", "expire"])
    def test_an_overdue_hold_is_given_back_once(self, home: Household, first: str) -> None:
        held = _held(home)
        overdue(home, held)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        expired = after(
            alice, partial(STEPS[first], home, alice, held), bob, partial(expire, home, bob)
        )
        assert expired == 0
        assert money(home) == (100, 0, 100)
        home.assert_sound()

    @pytest.mark.parametrize("second", ["capture", "part", "release"])
    def test_what_has_expired_is_neither_captured_nor_released(
        self, home: Household, second: str
    ) -> None:
        held = _held(home)
        overdue(home, held)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        told = after(
            alice,
            partial(expire, home, alice),
            bob,
            lambda: answer(partial(STEPS[second], home, bob, held)),
        )
        assert told == "hold_state"
        assert state(home, held) == ("expired", 0, 40)
        home.assert_sound()

    def test_a_capture_that_has_waited_past_the_time_is_too_late(self, home: Household) -> None:
        """Time and state are read after the locks, not when the call began."""
        held = _held(home)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        with ThreadPoolExecutor(1) as pool:
            alice.query("begin")
            home.pay(alice, "world", "bank", 1)
            waiting = pool.submit(lambda: answer(partial(capture, home, bob, held)))
            until_waiting(alice, bob, waiting)
            overdue(home, held)
            alice.query("commit")
            assert waiting.result() == "hold_expired"

    def test_holds_of_many_accounts_expire_while_others_move(self, home: Household) -> None:
        home.fund(10_000)
        home.fund(10_000, "cash")
        bob = home.as_user("bob")
        holds = [
            hold(home, bob, 1, *pair, expires_at=LATER)
            for _ in range(10)
            for pair in (("bank", "cash"), ("cash", "bank"))
        ]
        overdue(home, *holds[:12])
        told = at_once(
            *(partial(expire, home, home.as_user("alice")) for _ in range(3)),
            *(
                partial(capture, home, home.as_user("bob"), held, idempotency_key=held["id"])
                for held in holds[12:]
            ),
        )
        assert set(told) == {"none"}
        assert {state(home, held)[0] for held in holds[:12]} == {"expired"}
        assert {state(home, held)[0] for held in holds[12:]} == {"captured"}
        home.assert_sound()


@pytest.mark.parametrize("first", ["hold", "transfer"])
@pytest.mark.parametrize("second", ["hold", "transfer"])
def test_the_same_money_is_promised_once(home: Household, first: str, second: str) -> None:
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")

    def spend(how: str, who: Session) -> object:
        return hold(home, who, 60) if how == "hold" else home.pay(who, "bank", "cash", 60)

    told = after(
        alice, partial(spend, first, alice), bob, lambda: answer(partial(spend, second, bob))
    )
    assert told == "insufficient_funds"
    home.assert_sound()


def test_holds_on_two_accounts_keep_their_joint_floor(home: Household) -> None:
    home.fund(100)
    open_account(home, "loan")
    group(home, 0, "bank", "loan")
    alice, bob = home.as_user("alice"), home.as_user("bob")
    told = after(
        alice,
        partial(hold, home, alice, 60),
        bob,
        lambda: answer(partial(hold, home, bob, 60, "loan")),
    )
    assert told == "group_floor"
    home.assert_sound()


@pytest.mark.parametrize("back", ["release", "expire"])
def test_giving_back_waits_for_no_group(home: Household, back: str) -> None:
    """The sum only rises: who has counted the hold has counted too little."""
    held = _held(home)
    overdue(home, held)
    open_account(home, "loan")
    group(home, 0, "bank", "loan")
    alice, bob = home.as_user("alice"), home.as_user("bob")
    alice.query("begin")
    home.pay(alice, "loan", "world", 60)
    STEPS[back](home, bob, held)
    alice.query("commit")
    assert money(home) == (100, 0, 100)
    home.assert_sound()


RULES: dict[str, tuple[Callable[[Household, Session], object], str]] = {
    "freeze_account": (
        lambda home, who: rule(home, "freeze_account", "bank", who),
        "account_frozen",
    ),
    "freeze the receiver": (
        lambda home, who: rule(home, "freeze_account", "cash", who),
        "account_frozen",
    ),
    "close_account": (lambda home, who: close(home, who, "cash"), "account_closed"),
    "set_balance_limits": (
        lambda home, who: rule(
            home, "set_balance_limits", "cash", who, min_balance=0, max_balance=39
        ),
        "limit_exceeded",
    ),
    "lock_period": (
        lambda home, who: who.call(
            "lock_period", book_id=home.book_id, from_date="2020-01-01", to_date="9999-12-31"
        ),
        "period_locked",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_has_changed_is_seen_by_the_capture(home: Household, name: str) -> None:
    held = _held(home)
    change, code = RULES[name]
    alice, bob = home.as_user("alice"), home.as_user("bob")
    told = after(
        alice, partial(change, home, alice), bob, lambda: answer(partial(capture, home, bob, held))
    )
    assert told == code
    assert state(home, held) == ("pending", 0, 0)
    home.assert_sound()


@pytest.mark.parametrize("name", RULES)
def test_a_rule_changes_after_the_capture_that_is_under_way(home: Household, name: str) -> None:
    held = _held(home)
    change, _ = RULES[name]
    alice, bob = home.as_user("alice"), home.as_user("bob")
    told = after(
        bob,
        partial(capture, home, bob, held),
        alice,
        lambda: answer(partial(change, home, alice)),
    )
    assert told == {
        "close_account": "account_not_empty",
        "set_balance_limits": "limit_exceeded",
    }.get(name, "none")
    assert state(home, held) == ("captured", 40, 0)
    home.assert_sound()


@pytest.mark.parametrize("name", ["freeze_account", "close_account"])
def test_a_hold_and_the_end_of_its_account_come_one_after_the_other(
    home: Household, name: str
) -> None:
    alice, bob = home.as_user("alice"), home.as_user("bob")
    rule(home, "set_balance_limits", "bank", min_balance=-100, max_balance=None)
    end = partial(rule, home, name, "bank", alice)
    put = partial(hold, home, bob, 40)
    told = after(bob, put, alice, lambda: answer(end), commit=name == "close_account")
    assert told == {"freeze_account": "none", "close_account": "account_not_empty"}[name]
    if name == "close_account":
        release(home, bob, home.owner().query("select id::text from ledger.holds")[0])
    else:
        rule(home, "unfreeze_account", "bank")
    told = after(alice, end, bob, lambda: answer(put))
    assert told == {"freeze_account": "account_frozen", "close_account": "account_closed"}[name]
    home.assert_sound()


@pytest.mark.parametrize("kind", ["capture", "release", "expire", "create"])
def test_rows_that_stay_locked_are_busy(home: Household, kind: str) -> None:
    held = _held(home)
    overdue(home, *([held] if kind == "expire" else []))
    blocker, bob = home.owner(), home.as_user("bob")
    table = "balances" if kind == "create" else "holds"
    blocker.query("begin")
    blocker.query(f"select from ledger_private.{table} for no key update")
    steps: dict[str, Step] = {**STEPS, "create": lambda home, who, _: hold(home, who, 1)}
    assert answer(partial(steps[kind], home, bob, held)) == "busy"
    blocker.query("rollback")


BANK = "ledger_private.balances where account_id = %(bank)s"
ORDER = {
    "hold: group, balance": ("ledger_private.account_groups", BANK),
    "capture: group, balance": ("ledger_private.account_groups", BANK),
    "close: group, balance": ("ledger_private.account_groups", BANK),
    "capture: balance, hold": (BANK, "ledger_private.holds"),
    "release: balance, hold": (BANK, "ledger_private.holds"),
    "expire: balance, hold": (BANK, "ledger_private.holds"),
    "close: lower balance, balance": (
        BANK,
        "ledger_private.balances where account_id = %(cash)s",
    ),
    "expect: lower balance, balance": (
        "ledger_private.balances where account_id = %(world)s",
        BANK,
    ),
}


@pytest.mark.parametrize("name", ORDER)
def test_who_waits_for_one_lock_has_not_taken_the_next(home: Household, name: str) -> None:
    """The global order, seen from outside: else two calls could wait for one another."""
    held = _held(home)
    group(home, -100, "bank", "cash")
    if name.startswith("expire"):
        overdue(home, held)
    first, second = ORDER[name]
    unchanged = {"account_id": home.accounts["world"], "posted_eq": -100}
    calls: dict[str, Step] = {
        **STEPS,
        "hold": lambda home, who, _: hold(home, who, 1),
        "close": lambda home, who, _: answer(partial(close, home, who, "cash", "bank")),
        "expect": lambda home, who, held: capture(home, who, held, expect=[unchanged]),
    }
    blocker, alice, other = home.owner(), home.as_user("alice"), home.owner()
    with ThreadPoolExecutor(1) as pool:
        blocker.query("begin")
        blocker.query(f"select from {first} for no key update", home.accounts)
        waiting = pool.submit(partial(calls[name.split(":")[0]], home, alice, held))
        until_waiting(blocker, alice, waiting)
        other.query(f"select from {second} for no key update nowait", home.accounts)
        blocker.query("commit")
        waiting.result()
    home.assert_sound()


@pytest.mark.parametrize("step", ["capture", "release", "hold"])
def test_at_a_stronger_level_a_hold_that_has_changed_aborts(home: Household, step: str) -> None:
    held = _held(home, 60)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    bob.query("begin isolation level repeatable read")
    bob.query("select 1 as one")
    capture(home, alice, held)
    with pytest.raises(psycopg.errors.SerializationFailure):
        hold(home, bob, 60) if step == "hold" else STEPS[step](home, bob, held)
    bob.query("rollback")


def test_of_many_captures_at_once_the_hold_pays_for_what_it_has(home: Household) -> None:
    home.fund(1000)
    held = hold(home, home.as_user("bob"), 50)
    told = at_once(
        *(partial(capture, home, home.as_user("bob"), held, 10, final=False) for _ in range(8))
    )
    assert (told.count("none"), told.count("hold_state")) == (5, 3)
    assert state(home, held) == ("captured", 50, 0)
    assert money(home) == (950, 0, 950)
    home.assert_sound()


def test_of_concurrent_duplicates_one_captures_and_the_rest_replay(home: Household) -> None:
    held = _held(home)
    receipts: list[Row] = []

    def job(who: Session) -> None:
        receipts.append(capture(home, who, held, idempotency_key="k"))

    assert at_once(*(partial(job, home.as_user("bob")) for _ in range(6))) == ["none"] * 6
    assert sorted(receipt["replayed"] for receipt in receipts) == [False] + [True] * 5
    assert len({receipt["transaction_id"] for receipt in receipts}) == 1
    home.assert_sound()


def test_captures_and_transfers_in_opposing_orders_never_deadlock(home: Household) -> None:
    home.fund(10_000)
    home.fund(10_000, "cash")
    group(home, 100, "bank", "cash")

    def job(seed: int, who: Session) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            giver, taker = chance.sample(["bank", "cash"], 2)
            match chance.randrange(4):
                case 0:
                    home.pay(who, giver, taker, 1)
                case 1:
                    capture(home, who, hold(home, who, 2, giver, taker), 1, final=False)
                case 2:
                    held = hold(
                        home, who, 2, giver, taker, id=str(uuid.UUID(int=chance.getrandbits(128)))
                    )
                    release(home, who, held)
                case _:
                    hold(home, who, 1, giver, taker, expires_at=LATER)
                    expire(home, who)

    told = at_once(*(partial(job, seed, home.as_user("alice")) for seed in range(6)))
    assert told == ["none"] * 6
    home.assert_sound()
