"""Customers at work, over HTTP and directly, while something is done to what they use."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from tests.reliability.proof import Run
from tests.reliability.workload import Workload
from tests.waiting import until
from tillroll import AsyncTillroll, RetryPolicy
from tillroll.server import Server

# Short, so that much is left open: what becomes of those orders is the question.
HASTY = RetryPolicy(max_attempts=4, deadline=2.5)
LOG = {
    "log_line_prefix": "%m %e ",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
}

PATIENCE = 60.0

Way = Callable[[], AsyncTillroll]


def over_http(url: str, token: Callable[[], str]) -> Way:
    """Clients of a gateway, which ask for their token before each request."""

    async def current() -> str:
        return token()

    return lambda: AsyncTillroll.connect(
        url, "none", access_token=current, rest_path="", timeout=4, retry=HASTY
    )


def directly(dsn: str) -> Way:
    """Clients of Postgres itself."""
    return lambda: AsyncTillroll.direct(dsn, timeout=4, retry=HASTY)


def under_load(workload: Workload, ways: Sequence[Way], act: Callable[[], None]) -> None:
    """Let one customer pay on each way while `act` runs; then settle what is open, by the first."""
    asyncio.run(_under_load(workload, ways, act))


async def _under_load(workload: Workload, ways: Sequence[Way], act: Callable[[], None]) -> None:
    over = asyncio.Event()
    async with AsyncExitStack() as stack:
        books = [
            (await stack.enter_async_context(way())).book(workload.bank.book_id) for way in ways
        ]
        paying = asyncio.create_task(workload.run(books, over, most=10**9))
        try:
            await asyncio.to_thread(act)
        finally:
            over.set()
            await paying
        await workload.settle(books[0])


def more_answers(workload: Workload, count: int) -> None:
    """Return once so many more orders are posted."""
    wanted = len(workload.tally.keys) + count
    until(lambda: len(workload.tally.keys) >= wanted, PATIENCE)


def all_served(workload: Workload, ways: int) -> float:
    """Return, once each customer was answered once more, the seconds that this took."""
    began = time.monotonic()
    before = workload.served.copy()
    until(lambda: all(workload.served[n] > before[n] for n in range(ways)), PATIENCE)
    return time.monotonic() - began


def one_by_one(
    run: Run, workload: Workload, ways: int, faults: Iterable[tuple[str, Callable[[], None]]]
) -> Counter[str]:
    """Do faults, each named by its kind; after each, all customers have to be served again."""
    done: Counter[str] = Counter()
    longest = 0.0
    all_served(workload, ways)
    for kind, act in faults:
        act()
        recovery = all_served(workload, ways)
        longest = max(longest, recovery)
        done[kind] += 1
        run.happened(f"{kind}: all are served again after {recovery:.2f} s")
    for kind, count in done.items():
        run.figure(kind, count)
    run.figure("longest recovery, s", round(longest, 2))
    return done


@contextmanager
def log_kept(run: Run, server: Server) -> Iterator[None]:
    """Keep the server's log with what the run keeps, for whoever asks why."""
    try:
        yield
    finally:
        shutil.copy(server.log_file, run.folder / "postgres.log")


class ServerLog:
    """What a server with the settings LOG has said, by SQLSTATE."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = 0
        self._counts: Counter[str] = Counter()

    def counts(self) -> Counter[str]:
        """How often it said which SQLSTATE so far, other than success, and PANIC."""
        with open(self._file, "rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            words = line.split(maxsplit=5)
            if len(words) > 4 and words[4] in ("ERROR:", "FATAL:", "PANIC:"):
                self._counts[words[3]] += 1
                self._counts["PANIC"] += words[4] == "PANIC:"
        return self._counts
