"""Latency by the size of a book: one client, warm cache, prepared calls.

A database for each size on one server, so that every round visits all of them and each ratio is
taken within its round. Reads repeat a fixed list of arguments, run once before the clock starts:
accounts are random, moments lie anywhere in the book's two years, and deep pages begin in the
middle of a register.
"""

from __future__ import annotations

import random
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from tests.bench.fill import DAYS, Book
from tests.bench.results import Line
from tests.bench.stage import Caller, account_id
from tillroll.retry import uuid7

TRANSFER = "transfer"
FIRST = "register, first page of 25"
DEEP = "register, deep page of 25"
AS_OF = "balance at a moment"
DATED = "balance by value date"
COMPARED = (10_000, 5_000_000)  # what the bars are about
BARS = {
    TRANSFER: (1.25, 1.05),
    FIRST: (1.5, 1.1),
    DEEP: (1.5, 1.1),
    AS_OF: (1.5, 1.1),
    DATED: (1.5, 1.1),
}
STATEMENTS = {
    TRANSFER: "select ledger.transfer($1, $2, $3, $4, $5)",
    FIRST: "select * from ledger.account_register($1, $2, 25)",
    DEEP: "select * from ledger.account_register($1, $2, 25, $3)",
    AS_OF: "select * from ledger.get_balance($1, $2, as_of => $3)",
    DATED: "select * from ledger.get_balance($1, $2, effective_on => $3)",
}
ARGUMENTS = 50  # different ones of a read
REPEATS = 6
WARM_UP = 100  # transfers before the clock starts
TRANSFERS = 1000

Calls = list[list[bytes]]


def measure(books: list[Book], rounds: int) -> list[Line]:
    """Latencies of every call in every book; the smallest one is the reference."""
    least = books[0].entries
    lines = {
        (name, book.entries): Line(
            name,
            book.entries,
            "ms",
            (name, least) if book.entries > least else None,
            *(BARS[name] if (least, book.entries) == COMPARED else (None, None)),
        )
        for name in STATEMENTS
        for book in books
    }
    with ExitStack() as stack:
        callers = [stack.enter_context(book.caller()) for book in books]
        reads = [_reads(book) for book in books]
        for caller in callers:
            for name, statement in STATEMENTS.items():
                caller.prepare(name, statement)
        for _ in range(rounds):
            for name in STATEMENTS:
                for book, caller, calls in zip(books, callers, reads, strict=True):
                    lines[name, book.entries].add(
                        _transfers(book, caller)
                        if name == TRANSFER
                        else _repeated(caller, name, calls[name])
                    )
    return list(lines.values())


def _transfers(book: Book, caller: Caller) -> list[float]:
    calls = []
    for _ in range(WARM_UP + TRANSFERS):
        giver, taker = random.sample(range(1, book.accounts + 1), 2)
        texts = (book.book_id, account_id(giver), account_id(taker), "1", str(uuid7()))
        calls.append([text.encode() for text in texts])
    return [caller.call(TRANSFER, arguments) for arguments in calls][WARM_UP:]


def _repeated(caller: Caller, name: str, calls: Calls) -> list[float]:
    for arguments in calls:
        caller.call(name, arguments)
    return [caller.call(name, arguments) for _ in range(REPEATS) for arguments in calls]


def _reads(book: Book) -> dict[str, Calls]:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    calls: dict[str, Calls] = {name: [] for name in STATEMENTS if name != TRANSFER}
    with book.admin() as admin:
        for number in random.choices(range(1, book.accounts + 1), k=ARGUMENTS):
            cursor = admin.execute(
                """
                select r.cursor
                from ledger_private.register as r
                inner join ledger_private.balances as b
                    on b.book_id = r.book_id and b.account_id = r.account_id
                where r.book_id = %s and r.account_id = %s and r.version = b.version / 2
                """,
                [book.book_id, account_id(number)],
            ).fetchone()
            assert cursor is not None
            moment = today - timedelta(days=random.uniform(1, DAYS - 1))
            account: list[bytes] = [book.book_id.encode(), account_id(number).encode()]
            calls[FIRST].append(account)
            calls[DEEP].append([*account, cursor[0].encode()])
            calls[AS_OF].append([*account, moment.isoformat().encode()])
            calls[DATED].append([*account, moment.date().isoformat().encode()])
    return calls
