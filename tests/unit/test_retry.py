from __future__ import annotations

import time

import pytest

from tests.clock import VirtualClock
from tillroll.errors import LedgerError
from tillroll.retry import Attempts, Budget, Outcome, RetryPolicy, classify, uuid7

NOT_EXECUTED, ABORTED = Outcome.NOT_EXECUTED, Outcome.ABORTED
UNKNOWN, FINAL = Outcome.UNKNOWN, Outcome.FINAL


@pytest.mark.parametrize(
    ("code", "status", "outcome"),
    [
        ("PGRST000", 503, NOT_EXECUTED),
        ("PGRST002", 503, NOT_EXECUTED),
        ("PGRST003", 504, NOT_EXECUTED),
        (None, 429, NOT_EXECUTED),
        ("over_request_rate_limit", 429, NOT_EXECUTED),
        ("53300", 503, NOT_EXECUTED),
        ("53100", None, NOT_EXECUTED),
        ("40001", 500, ABORTED),
        ("40P01", 500, ABORTED),
        ("55P03", 500, ABORTED),
        ("57014", 500, ABORTED),
        ("busy", 503, ABORTED),
        ("serialization_conflict", 503, ABORTED),
        ("PGRST001", 503, UNKNOWN),
        ("57P01", 503, UNKNOWN),
        ("57P02", None, UNKNOWN),
        ("08006", 503, UNKNOWN),
        ("40003", None, UNKNOWN),
        (None, 500, UNKNOWN),
        (None, 502, UNKNOWN),
        (None, 503, UNKNOWN),
        (None, 504, UNKNOWN),
        (None, 520, UNKNOWN),
        ("upstream_down", 503, UNKNOWN),
        ("insufficient_funds", 422, FINAL),
        ("22P02", 400, FINAL),
        ("23505", 409, FINAL),
        ("42501", 403, FINAL),
        ("XX000", 500, FINAL),
        ("PGRST121", 500, FINAL),
        ("PGRST202", 404, FINAL),
        ("PGRST301", 401, FINAL),
        (None, 400, FINAL),
        (None, 404, FINAL),
        (None, 302, FINAL),
    ],
)
def test_a_failure_belongs_to_one_class(
    code: str | None, status: int | None, outcome: Outcome
) -> None:
    assert classify(code, status) is outcome


def test_of_the_catalogue_only_what_is_retryable_is_repeated() -> None:
    for code, kind in LedgerError.by_code.items():
        expected = ABORTED if kind.retryable else FINAL
        assert classify(code, kind.http_status) is expected, code


def attempts_of(policy: RetryPolicy, *, repeatable: bool = True) -> Attempts:
    return Attempts(policy, Budget(policy), repeatable=repeatable)


def test_what_may_have_happened_is_repeated_only_where_that_is_safe() -> None:
    policy = RetryPolicy(clock=VirtualClock())
    assert attempts_of(policy).delay(UNKNOWN) is not None
    once = attempts_of(policy, repeatable=False)
    assert once.delay(NOT_EXECUTED) is not None
    assert once.delay(ABORTED) is not None
    assert once.delay(UNKNOWN) is None
    assert once.maybe_executed


def test_a_final_answer_is_never_repeated() -> None:
    assert attempts_of(RetryPolicy(clock=VirtualClock())).delay(FINAL) is None


def test_the_wait_is_a_random_part_of_a_doubling_bound() -> None:
    high, low = VirtualClock(chance=0.999), VirtualClock(chance=0.0)
    waits = []
    for clock in (high, low):
        attempts = attempts_of(RetryPolicy(clock=clock, base_delay=0.1, max_delay=1.0))
        waits.append([attempts.delay(ABORTED) or 0.0 for _ in range(6)])
    bounds = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert waits[0] == pytest.approx([bound * 0.999 for bound in bounds])
    assert waits[1] == [0.0] * 6


def test_after_a_time_limit_the_wait_is_longer() -> None:
    policy = RetryPolicy(clock=VirtualClock(chance=0.5))
    ordinary, slow = (
        attempts_of(policy).delay(ABORTED),
        attempts_of(policy).delay(ABORTED, slow=True),
    )
    assert ordinary is not None
    assert slow is not None
    assert slow > ordinary


def test_retry_after_is_the_least_wait() -> None:
    policy = RetryPolicy(clock=VirtualClock(chance=0.5))
    wait = attempts_of(policy).delay(ABORTED, retry_after=3)
    assert wait is not None
    assert 3 <= wait <= 4


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    clock = VirtualClock()
    attempts = attempts_of(RetryPolicy(clock=clock, deadline=10))
    assert attempts.delay(ABORTED, retry_after=11) is None
    clock.now += 9
    assert attempts.remaining() == pytest.approx(1)
    assert attempts.delay(ABORTED, retry_after=2) is None
    assert attempts.delay(ABORTED) is not None


def test_attempts_are_counted() -> None:
    attempts = attempts_of(RetryPolicy(clock=VirtualClock(), max_attempts=3))
    assert [attempts.delay(ABORTED) is None for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize("calls", [100, 1_000, 20_000])
def test_in_an_outage_retries_add_at_most_a_tenth(calls: int) -> None:
    clock = VirtualClock(seed=calls)
    policy = RetryPolicy(clock=clock)
    budget = Budget(policy)
    sent = 0
    for _ in range(calls):
        attempts = Attempts(policy, budget, repeatable=True)
        sent += 1
        while clock.random() < 0.9:
            wait = attempts.delay(NOT_EXECUTED)
            if wait is None:
                break
            clock.sleep(wait)
            sent += 1
    assert calls < sent <= calls * 1.1 + 1e-6


def test_after_an_outage_the_budget_fills_again_and_not_beyond_its_burst() -> None:
    policy = RetryPolicy(clock=VirtualClock(), budget_burst=2)
    budget = Budget(policy)
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]
    for _ in range(1_000):
        budget.deposit()
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]


def test_a_uuid7_carries_the_time_and_sorts_by_it() -> None:
    before = time.time_ns() // 1_000_000
    first = uuid7()
    time.sleep(0.002)
    second = uuid7()
    assert first.version == 7
    assert first.variant == "specified in RFC 4122"
    assert before <= first.int >> 80 <= before + 1_000
    assert first < second
    assert len({uuid7() for _ in range(10_000)}) == 10_000
