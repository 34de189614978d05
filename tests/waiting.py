"""Wait for what has to come, and for processes to be gone."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Return when the condition holds; fail where it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs any more; who waits for a dead child is not our matter."""
    return not any(
        each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes
    )
