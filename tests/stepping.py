"""Two sessions in a fixed order: one holds its locks, the other is seen to wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from tests.callers import answer
from tests.world import Session

T = TypeVar("T")
PATIENCE = 20.0


def until_waiting(holder: Session, waiter: Session, attempt: Future[T]) -> None:
    """Return once the waiter's backend waits for the holder's; fail if its call ends before."""
    deadline = time.monotonic() + PATIENCE
    pids = [holder.connection.info.backend_pid, waiter.connection.info.backend_pid]
    while not holder.query("select %s = any(pg_blocking_pids(%s)) as waits", pids)[0]["waits"]:
        assert not attempt.done(), f"did not wait: {attempt.exception() or attempt.result()}"
        assert time.monotonic() < deadline, "neither waits nor ends"
        time.sleep(0.002)


def after(
    holder: Session,
    hold: Callable[[], object],
    waiter: Session,
    attempt: Callable[[], T],
    *,
    commit: bool = True,
) -> T:
    """What comes of an attempt that has to wait until `hold` is committed, or rolled back."""
    with ThreadPoolExecutor(1) as pool:
        holder.query("begin")
        try:
            hold()
            waiting = pool.submit(attempt)
            until_waiting(holder, waiter, waiting)
        except BaseException:
            holder.query("rollback")
            raise
        holder.query("commit" if commit else "rollback")
        return waiting.result(timeout=PATIENCE)


def at_once(*attempts: Callable[[], object]) -> list[str]:
    """Start all attempts at the same moment; what each is told."""
    start = Barrier(len(attempts))

    def run(attempt: Callable[[], object]) -> str:
        start.wait(PATIENCE)
        return answer(attempt)

    with ThreadPoolExecutor(len(attempts)) as pool:
        return list(pool.map(run, attempts))
