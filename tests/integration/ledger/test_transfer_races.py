"""ledger.transfer while others do so too: real parallel connections, on each Postgres."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg
import pytest

from tests.stepping import after, until_waiting
from tests.world import Household, Session, refusal


def run_at_once(home: Household, jobs: list[Callable[[Session], object]]) -> Counter[str]:
    """Run each job on a connection of its own, all at once; count the outcomes by code."""
    sessions = [home.as_user(name) for name, _ in zip(_names(len(jobs)), jobs, strict=True)]
    with ThreadPoolExecutor(len(jobs)) as pool:
        outcomes = pool.map(refusal, jobs, sessions)
        return Counter(outcomes)


def _names(count: int) -> list[str]:
    return ["alice" if number % 2 else "bob" for number in range(count)]


def wait_until_blocked(home: Household, session: Session, running: Future[Any]) -> None:
    """Return when the session's call waits for a lock; fail where it ends without having waited."""
    pid = session.connection.info.backend_pid
    owner = home.owner()
    while not owner.query("select 1 from pg_locks where pid = %s and not granted", [pid]):
        assert not running.done(), "the call did not wait"
        time.sleep(0.002)


def test_of_many_spends_of_the_same_money_exactly_one_fits(home: Household) -> None:
    home.fund(100)
    outcomes = run_at_once(home, [lambda who: home.pay(who, "bank", "cash", 60)] * 12)
    assert outcomes == {"none": 1, "insufficient_funds": 11}
    assert home.posted("bank") == 40
    home.assert_sound()


def test_opposing_transfers_never_deadlock_and_lose_nothing(home: Household) -> None:
    home.fund(1000, "bank")
    home.fund(1000, "cash")

    def shuffle(seed: int) -> Callable[[Session], object]:
        chance = random.Random(seed)

        def job(who: Session) -> None:
            for _ in range(40):
                giver, taker = chance.sample(["bank", "cash", "world"], 2)
                code = refusal(home.pay, who, giver, taker, chance.randint(1, 300))
                assert code in ("none", "insufficient_funds")

        return job

    assert run_at_once(home, [shuffle(seed) for seed in range(10)]) == {"none": 10}
    total = home.posted("bank") + home.posted("cash") + home.posted("world")
    assert total == 0
    home.assert_sound()


def test_of_concurrent_duplicates_one_posts_and_the_rest_replay(home: Household) -> None:
    home.fund(10_000)
    keys = [f"key-{number}" for number in range(15)]
    receipts: dict[str, list[dict[str, object]]] = {key: [] for key in keys}

    def job(who: Session) -> None:
        for key in keys:
            receipts[key].append(home.pay(who, "bank", "cash", 7, idempotency_key=key))

    assert run_at_once(home, [job] * 8) == {"none": 8}
    assert home.posted("cash") == 7 * len(keys)
    for same in receipts.values():
        assert Counter(receipt["replayed"] for receipt in same) == {False: 1, True: 7}
        firsts = [{**receipt, "replayed": None} for receipt in same]
        assert all(receipt == firsts[0] for receipt in firsts)
    home.assert_sound()


def test_a_duplicate_waits_for_the_first_and_posts_where_that_one_is_undone(
    home: Household,
) -> None:
    home.fund(100)
    first, second = home.as_user("alice"), home.as_user("bob")
    with ThreadPoolExecutor(1) as pool:
        first.query("begin")
        home.pay(first, "bank", "cash", 30, idempotency_key="k")
        waiting = pool.submit(home.pay, second, "bank", "cash", 30, idempotency_key="k")
        until_waiting(first, second, waiting)
        first.query("rollback")
        assert waiting.result()["replayed"] is False
    assert home.posted("cash") == 30


def test_the_funds_check_sees_what_was_committed_while_it_waited(home: Household) -> None:
    home.fund(100)
    first, second = home.as_user("alice"), home.as_user("bob")
    with ThreadPoolExecutor(1) as pool:
        first.query("begin")
        home.pay(first, "bank", "cash", 80)
        waiting = pool.submit(refusal, home.pay, second, "bank", "cash", 80)
        until_waiting(first, second, waiting)
        first.query("commit")
        assert waiting.result() == "insufficient_funds"
    assert home.posted("bank") == 20


@pytest.mark.parametrize("function", ["transfer", "transfer_up_to"])
def test_what_would_be_refused_now_waits_for_who_may_change_that(
    home: Household, function: str
) -> None:
    alice, bob = home.as_user("alice"), home.as_user("bob")
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    alice.call("freeze_account", **cash)
    sides = {"from_account_id": home.accounts["bank"], "to_account_id": home.accounts["cash"]}
    spend = partial(bob.call, function, book_id=home.book_id, amount=60, **sides)

    def relent() -> None:
        home.pay(alice, "world", "bank", 60)
        alice.call("unfreeze_account", **cash)

    after(alice, relent, bob, spend)
    assert home.posted("cash") == 60


def test_accounts_are_locked_in_one_order_whichever_way_the_money_goes(home: Household) -> None:
    """Both callers wait for the account that sorts first, and neither holds the other meanwhile."""
    home.fund(100, "bank")
    home.fund(100, "cash")
    low, high = sorted(("bank", "cash"), key=lambda name: home.accounts[name])
    blocker, one, two = home.owner(), home.as_user("alice"), home.as_user("bob")
    lock = "select from ledger_private.balances where account_id = %s for no key update {}"
    with ThreadPoolExecutor(2) as pool:
        blocker.query("begin")
        blocker.query(lock.format(""), [home.accounts[low]])
        calls = [
            pool.submit(home.pay, one, low, high, 1),
            pool.submit(home.pay, two, high, low, 1),
        ]
        for session, call in zip((one, two), calls, strict=True):
            wait_until_blocked(home, session, call)
        # Nobody has the second account while waiting for the first.
        home.owner().query(lock.format("nowait"), [home.accounts[high]])
        blocker.query("commit")
        assert [call.result()["replayed"] for call in calls] == [False, False]


def test_a_lock_that_does_not_come_is_busy_and_can_be_repeated(home: Household) -> None:
    home.fund(100)
    blocker, alice = home.owner(), home.as_user("alice")
    blocker.query("begin")
    blocker.query("select from ledger_private.balances for no key update")
    started = time.monotonic()
    assert refusal(lambda: home.pay(alice, "bank", "cash", 1, idempotency_key="k")) == "busy"
    assert 2 < time.monotonic() - started < 10
    blocker.query("rollback")
    assert home.pay(alice, "bank", "cash", 1, idempotency_key="k")["replayed"] is False


def test_a_table_that_is_locked_for_an_index_is_busy(home: Household) -> None:
    home.fund(100)
    blocker, alice = home.owner(), home.as_user("alice")
    blocker.query("begin")
    blocker.query("lock table ledger_private.entries in share mode")
    assert refusal(home.pay, alice, "bank", "cash", 1) == "busy"
    blocker.query("rollback")


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_at_a_stronger_level_it_works_and_may_abort_but_never_overdraws(
    home: Household, level: str
) -> None:
    home.fund(100)
    aborted = Counter[str]()

    def job(who: Session) -> None:
        who.query(f"set default_transaction_isolation = '{level}'")
        for _ in range(10):
            try:
                home.pay(who, "bank", "cash", 3)
            except psycopg.errors.SerializationFailure:
                aborted["40001"] += 1

    outcomes = run_at_once(home, [job] * 6)
    assert set(outcomes) <= {"none", "insufficient_funds"}
    assert home.posted("bank") >= 0
    home.assert_sound()


def test_a_foreign_key_insert_is_not_blocked_by_a_transfer(home: Household) -> None:
    """The reason for NO KEY: another table may refer to a balance while it is being changed."""
    home.fund(100)
    owner, alice = home.owner(), home.as_user("alice")
    owner.query(
        "create table public.notes (book_id uuid, account_id uuid, slot smallint,"
        " foreign key (book_id, account_id, slot) references ledger_private.balances)"
    )
    alice.query("begin")
    home.pay(alice, "bank", "cash", 1)
    owner.query("set lock_timeout = '1s'")
    owner.query(
        "insert into public.notes values (%s, %s, 0)", [home.book_id, home.accounts["bank"]]
    )
    alice.query("commit")


def test_booking_times_rise_with_the_versions_also_under_contention(home: Household) -> None:
    home.fund(10_000)

    def job(who: Session) -> None:
        for _ in range(25):
            home.pay(who, "bank", "cash", 1)

    run_at_once(home, [job] * 6)
    rows = home.owner().query(
        "select booked_at from ledger.entries where account_id = %s order by version",
        [home.accounts["cash"]],
    )
    times = [row["booked_at"] for row in rows]
    assert len(times) == 150
    assert times == sorted(times)
