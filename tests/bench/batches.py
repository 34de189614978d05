"""Batches of 1,000 random transfers by one client: post_transactions, atomic.

The client's way: an array literal, as a driver sends it, made before the clock starts. Beside it
the same work with the array made by the server from random(), which costs no transport and no
parsing: what lies between the two is what the literal costs.
"""

from __future__ import annotations

import random
import time
from functools import partial

from tests.bench.results import Line
from tests.bench.stage import ACCOUNTS, Caller, Stage, account_id, sql_id
from tests.bench.transfers import YARDSTICK, Work
from tillroll.retry import uuid7

ITEMS = 1000
SENT = "batches of 1,000"
DRAWN = "batches of 1,000, drawn in SQL"
NAMES = (SENT, DRAWN)
PER_SECOND = 60  # batches that are made for a second of measuring; more than can be posted

_SENT = "select * from ledger.post_transactions($1, $2)"
_DRAWN = f"""
select r.* from ledger.post_transactions($1, array(
    select row(
        array[
            row({sql_id("d.giver")}, -d.amount),
            row({sql_id(f"1 + (d.giver + d.step) % {ACCOUNTS}")}, d.amount)
        ]::ledger.entry_input[],
        uuidv7()::text, null, null, null, null
    )::ledger.transaction_input
    from (
        select
            1 + floor(random() * {ACCOUNTS})::integer as giver,
            floor(random() * {ACCOUNTS - 1})::integer as step,
            1 + floor(random() * 100)::bigint as amount
        from generate_series(1, {ITEMS})
    ) as d
)) as r
"""


def work(stage: Stage, seconds: int) -> list[Work]:
    """Transfers per second, posted in batches."""
    return [
        (
            Line(SENT, 1, "per second", YARDSTICK, 3.0, 5.0),
            partial(_rate, stage, _SENT, seconds, sent=True),
        ),
        (
            Line(DRAWN, 1, "per second", YARDSTICK),
            partial(_rate, stage, _DRAWN, seconds, sent=False),
        ),
    ]


def _rate(stage: Stage, statement: str, seconds: int, *, sent: bool) -> float:
    book = stage.book_id.encode()

    def arguments() -> list[bytes]:
        return [book, literal()] if sent else [book]

    with stage.caller() as caller:
        caller.prepare("batch", statement)
        caller.call("batch", arguments())
        return ITEMS * _posted_per_second(
            caller, [arguments() for _ in range(seconds * PER_SECOND)], seconds
        )


def _posted_per_second(caller: Caller, batches: list[list[bytes]], seconds: int) -> float:
    started, posted, taken = time.perf_counter(), 0, 0.0
    while posted < len(batches) and taken < seconds:
        caller.call("batch", batches[posted])
        posted += 1
        taken = time.perf_counter() - started
    return posted / taken


def literal() -> bytes:
    """A batch as text of ledger.transaction_input[]: random pairs, each with a UUIDv7 key."""
    items = []
    for _ in range(ITEMS):
        giver, taker = random.sample(range(1, ACCOUNTS + 1), 2)
        amount = random.randint(1, 100)
        legs = f"({account_id(giver)},-{amount})", f"({account_id(taker)},{amount})"
        # A record's field of an array of records, in an array: quotes within quotes.
        entries = "{" + ",".join(f'""{leg}""' for leg in legs) + "}"
        items.append(f'("{entries}",{uuid7()},,,,)')
    return ("{" + ",".join('"' + _escaped(item) + '"' for item in items) + "}").encode()


def _escaped(item: str) -> str:
    return item.replace("\\", "\\\\").replace('"', '\\"')
