"""Measure the ledger beside `pgbench -b tpcb-like`, and print a table with the bars.

    make bench               or: python -m tests.bench [--only transfers batches] [--plots FOLDER] …

fsync on, every call as `authenticated` with a user's claims and through the functions of the API,
every posting with a UUIDv7 key. A round runs every line once, so that a slow minute hits all of
them. Afterwards every check of every book has to hold.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import batches, migrations, plots, rehearsals, results, scale, transfers
from tests.bench.fill import Book, fill
from tests.bench.results import Line
from tests.bench.stage import Stage, verified
from tests.conftest import Cluster
from tillroll.local.stack import Stack
from tillroll.server import Server, find_binaries

ON_STACK = ("transfers", "hot", "http", "batches")
PARTS = (*ON_STACK, "scale", "verify", "rehearse", "migrate")
SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000, "5M": 5_000_000}
VERIFIED = 500_000
talk = Console(stderr=True)


def on_stack(parts: Sequence[str], seconds: int, rounds: int) -> tuple[list[Line], bool]:
    """Rates of what pgbench and HTTP drive, and whether the book is sound."""
    with scratch() as folder, Stack(folder / "stack") as info:
        talk.print("a stack, 1,000 accounts, pgbench's tables …")
        stage = Stage(info)
        work = transfers.yardstick(
            stage, seconds, transfers.CLIENTS if "transfers" in parts else (8,)
        )
        if {"transfers", "hot"} & set(parts):  # a ratio of `hot` is to random pairs
            work += transfers.singles(stage, folder, seconds)
        if "hot" in parts:
            work += transfers.hot(stage, folder, seconds)
        if "http" in parts:
            work += transfers.over_http(stage, seconds)
        if "batches" in parts:
            work += batches.work(stage, seconds)
        # What is compared runs close together: a shared machine changes by the minute.
        order = sorted(work, key=lambda one: 8 if one[0].name in batches.NAMES else one[0].size)
        for number in range(1, rounds + 1):
            for line, run in order:
                line.rounds.append(run())
                rate = f"{line.rounds[-1]:,.0f}/s"
                talk.print(f"round {number} of {rounds}: {line.name}, {line.size}: {rate}")
        return [line for line, _ in work], stage.sound()


def on_books(parts: Sequence[str], sizes: Sequence[int], rounds: int) -> tuple[list[Line], bool]:
    """Latencies and verify_book in filled books, and whether those are sound."""
    lines, sound = [], True
    with on_server() as cluster:
        if "scale" in parts:
            books = [filled(cluster, size) for size in sizes]
            talk.print(f"{rounds} rounds of calls in each …")
            lines += scale.measure(books, rounds)
            sound = all(check(book) for book in books)
        if "verify" in parts:
            line, holds = verify(filled(cluster, VERIFIED), rounds)
            lines.append(line)
            sound = sound and holds
    return lines, sound


def rehearsed() -> Table:
    """How long locks are held, as projected and as measured."""
    with on_server() as cluster:
        return rehearsals.table(rehearsals.measure(cluster, talk.print))


def filled(cluster: Cluster, entries: int) -> Book:
    """A new database with a book of that many entries."""
    started = time.perf_counter()
    book = fill(cluster.database("ledger"), entries)
    talk.print(f"a book of {entries:,} entries: {time.perf_counter() - started:,.0f} s")
    return book


def check(book: Book) -> bool:
    """Whether every check of a book holds."""
    with book.admin() as admin:
        return verified(admin, book.book_id)


def verify(book: Book, rounds: int) -> tuple[Line, bool]:
    """Entries that verify_book looks at per second, after a run that warms the cache."""
    line = Line("verify_book", book.entries, "per second", None, 200_000, 500_000)
    sound = check(book)
    statement = "select 1 from ledger.verify_book($1) as c where c.ok"
    with book.caller() as caller:
        caller.prepare("verify", statement)
        for _ in range(rounds):
            line.rounds.append(book.entries / caller.call("verify", [book.book_id.encode()]))
    return line, sound


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a server, which runs as another user where we are root."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@contextmanager
def on_server() -> Iterator[Cluster]:
    """A server of its own, with room."""
    with scratch() as folder:
        settings = {"shared_buffers": "1GB", "max_wal_size": "4GB"}
        server = Server(folder / "server", settings=settings).start()
        try:
            yield Cluster(server)
        finally:
            server.stop()


def main() -> None:
    """Measure, print, keep, draw."""
    options = argparse.ArgumentParser(
        prog="python -m tests.bench", description=(__doc__ or "").splitlines()[0]
    )
    for name, choices in (("--only", PARTS), ("--scale", tuple(SIZES))):
        options.add_argument(
            name,
            nargs="+",
            choices=choices,
            default=choices,
            metavar="NAME",
            help=", ".join(choices),
        )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=5, help="of each rate and round")
    options.add_argument("--json", type=Path, metavar="FILE", help="keep every figure")
    options.add_argument("--plots", type=Path, metavar="FOLDER", help="draw PNG files into it")
    chosen = options.parse_args()

    lines: list[Line] = []
    sound = True
    if set(chosen.only) & set(ON_STACK):
        lines, sound = on_stack(chosen.only, chosen.seconds, chosen.rounds)
    if {"scale", "verify"} & set(chosen.only):
        sizes = sorted(SIZES[name] for name in set(chosen.scale))
        more, holds = on_books(chosen.only, sizes, chosen.rounds)
        lines, sound = lines + more, sound and holds

    shown = Console(width=max(Console().width, 100))
    if lines:
        shown.print(results.table(lines))
        print(f"verify_book: {'every check holds' if sound else 'BROKEN'}")
    if "rehearse" in chosen.only:
        shown.print(rehearsed())
    if "migrate" in chosen.only:
        with on_server() as cluster:
            shown.print(migrations.measure(cluster, chosen.rounds, talk.print))
    if chosen.json:
        about = {
            "on": datetime.now(UTC).date().isoformat(),
            "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
            "server": subprocess.check_output(
                [find_binaries() / "postgres", "-V"], text=True
            ).strip(),
            "rounds": chosen.rounds,
            "seconds": chosen.seconds,
        }
        results.write(lines, about, chosen.json)
    if chosen.plots:
        for path in plots.draw(lines, chosen.plots):
            talk.print(f"drew {path}")
    raise SystemExit(0 if sound else 1)


if __name__ == "__main__":
    main()
