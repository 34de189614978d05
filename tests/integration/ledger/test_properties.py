"""What holds for any sequence of calls. One book; each example is undone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.callers import answer
from tests.conftest import Cluster
from tests.draws import Draws, prepare, raises
from tests.holding import capture, hold, release
from tests.world import Household, Row, Session, household

few = settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def home(newest: Cluster) -> Iterator[Household]:
    """One book for all examples of a test."""
    database = newest.database("ledger")
    with household(database) as made:
        prepare(made)
        yield made
    newest.drop(database)


@contextmanager
def undone(who: Session) -> Iterator[None]:
    """A transaction that never was."""
    who.query("begin")
    try:
        yield
    finally:
        who.query("rollback")


def attempt(who: Session, call: Callable[[], object]) -> str:
    """What a call is told; where it is refused, only it is undone."""
    who.query("savepoint before")
    told = answer(call)
    if told != "none":
        who.query("rollback to before")
    return told


def failed_checks(home: Household, who: Session) -> list[str]:
    rows = who.rows("verify_book", book_id=home.book_id)
    return [row["check_name"] for row in rows if not row["ok"]]


def balances(home: Household, who: Session) -> dict[str, tuple[int, int]]:
    """Posted and held of every account."""
    rows = who.rows("get_balances", book_id=home.book_id)
    names = {account_id: name for name, account_id in home.accounts.items()}
    return {names[row["account_id"]]: (row["posted"], row["held"]) for row in rows}


def test_any_sequence_of_calls_keeps_every_check(home: Household) -> None:
    alice = home.as_user("alice")

    @few
    @given(st.integers(0, 2**32), st.integers(1, 60))
    def check(seed: int, length: int) -> None:
        draws = Draws(home, Random(seed))
        with undone(alice):
            for _ in range(length):
                function, call = draws.call(alice)
                told = attempt(alice, call)
                assert told == "none" or told in raises(function), (function, told)
            assert failed_checks(home, alice) == []
            totals = alice.query(
                "select currency, sum(posted) as total from ledger.accounts group by 1"
            )
            assert {row["total"] for row in totals} == {0}

    check()


def test_two_half_transfers_equal_one(home: Household) -> None:
    bob = home.as_user("bob")

    @few
    @given(st.integers(0, 1001), st.integers(0, 1001))
    def check(first: int, second: int) -> None:
        with undone(bob):
            halves = [
                attempt(bob, partial(home.pay, bob, "bank", "cash", part))
                for part in (first, second)
                if part
            ]
            in_two = balances(home, bob)
        with undone(bob):
            whole = attempt(bob, lambda: home.pay(bob, "bank", "cash", first + second))
            at_once = balances(home, bob)
        if first + second == 0:
            assert whole == "invalid_amount"
        elif set(halves) == {"none"}:
            assert (whole, in_two) == ("none", at_once)
        else:
            assert whole == "insufficient_funds"

    check()


def test_independent_transfers_commute(home: Household) -> None:
    bob = home.as_user("bob")
    pairs = (("bank", "world"), ("cash", "wide"), ("yen", "abroad"))
    transfers = st.lists(
        st.tuples(st.sampled_from(pairs), st.integers(1, 700)), min_size=2, max_size=6
    )

    @few
    @given(transfers, st.randoms(use_true_random=False))
    def check(drawn: list[tuple[tuple[str, str], int]], chance: Random) -> None:
        """Those of one pair keep their order, the pairs are shuffled into each other."""
        order = [pair for pair, _ in drawn]
        chance.shuffle(order)
        queues = {pair: [d for d in drawn if d[0] == pair] for pair in pairs}
        shuffled = [queues[pair].pop(0) for pair in order]
        results = []
        for sequence in (drawn, shuffled):
            with undone(bob):
                told = [
                    (pair, attempt(bob, partial(home.pay, bob, pair[0], pair[1], amount)))
                    for pair, amount in sequence
                ]
                results.append((sorted(told), balances(home, bob)))
        assert results[0] == results[1]

    check()


@dataclass
class Held:
    """What a hold should be."""

    row: Row
    left: int
    state: str = "pending"
    overdue: bool = False


class Model:
    """The state machine of holds from the bank, which has 1000, to cash."""

    def __init__(self) -> None:
        self.bank, self.cash, self.holds = 1000, 1000, list[Held]()

    @property
    def held(self) -> int:
        return sum(each.left for each in self.holds if each.state == "pending")

    def create(self, amount: int) -> str:
        if amount < 1:
            return "invalid_amount"
        return "none" if amount <= self.bank - self.held else "insufficient_funds"

    def capture(self, each: Held, amount: int | None, final: bool) -> str:
        if each.state != "pending":
            return "hold_state"
        if each.overdue:
            return "hold_expired"
        if amount is not None and not 1 <= amount <= each.left:
            return "invalid_amount"
        taken = each.left if amount is None else amount
        self.bank, self.cash, each.left = self.bank - taken, self.cash + taken, each.left - taken
        if final or each.left == 0:
            each.state = "captured"
        return "none"

    def release(self, each: Held) -> str:
        if each.state != "pending":
            return "hold_state"
        each.state = "released"
        return "none"

    def expire(self) -> int:
        due = [each for each in self.holds if each.state == "pending" and each.overdue]
        for each in due:
            each.state = "expired"
        return len(due)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.sampled_from([0, 1, 300, 600, 1001])),
        st.tuples(
            st.just("capture"),
            st.integers(0, 5),
            st.sampled_from([None, 0, 1, 200, 700]),
            st.booleans(),
        ),
        st.tuples(st.just("release"), st.integers(0, 5)),
        st.tuples(st.just("overdue"), st.integers(0, 5)),
        st.tuples(st.just("expire")),
        st.tuples(st.just("spend"), st.sampled_from([1, 300])),
    ),
    max_size=20,
)


def test_no_sequence_of_hold_calls_breaks_the_state_machine(home: Household) -> None:
    owner = home.reader

    @settings(few, max_examples=40)
    @given(STEPS)
    def check(steps: list[tuple[object, ...]]) -> None:
        model = Model()
        with undone(owner):
            for step in steps:
                take(model, step)
                shown = balances(home, owner)
                assert shown["bank"] == (model.bank, model.held)
                assert shown["cash"] == (model.cash, 0)
            states = owner.query("select id::text, state from ledger.holds")
            assert {row["id"]: row["state"] for row in states} == {
                each.row["id"]: each.state for each in model.holds
            }
            assert failed_checks(home, owner) == []

    def take(model: Model, step: tuple[object, ...]) -> None:
        match step:
            case ("create", int() as amount):
                made: list[Row] = []
                expected = model.create(amount)
                told = attempt(owner, lambda: made.append(hold(home, owner, amount)))
                if expected == "none":
                    model.holds.append(Held(made[0], amount))
            case ("spend", int(amount)):
                expected = "none" if amount <= model.bank - model.held else "insufficient_funds"
                told = attempt(owner, lambda: home.pay(owner, "bank", "cash", amount))
                if expected == "none":
                    model.bank, model.cash = model.bank - amount, model.cash + amount
            case ("expire",):
                done = owner.query("select ledger.expire_holds(%s) as n", [home.book_id])
                assert done[0]["n"] == model.expire()
                return
            case (str(verb), int(number), *more) if model.holds:
                each = model.holds[number % len(model.holds)]
                if verb == "overdue":
                    if each.state == "pending":
                        owner.query(
                            "update ledger_private.holds set expires_at = clock_timestamp()"
                            " where id = %s",
                            [each.row["id"]],
                        )
                        each.overdue = True
                    return
                if verb == "release":
                    expected = model.release(each)
                    told = attempt(owner, lambda: release(home, owner, each.row))
                else:
                    part, final = more
                    assert part is None or isinstance(part, int)
                    expected = model.capture(each, part, bool(final))
                    told = attempt(owner, lambda: capture(home, owner, each.row, part, final=final))
            case _:
                return
        assert (step, told) == (step, expected)

    check()
