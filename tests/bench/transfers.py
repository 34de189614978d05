"""Single transfers in SQL and over HTTP, beside `pgbench -b tpcb-like`.

SQL is driven by pgbench with prepared statements, HTTP by the small generator below (asyncio, raw
keep-alive connections, one process), through the front and the gateway as an app would call them.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.results import Line
from tests.bench.stage import ACCOUNTS, Stage, account_id
from tillroll.retry import uuid7

CLIENTS = (1, 2, 4, 8, 16)
TPCB = "pgbench -b tpcb-like"
RANDOM = "SQL, random pairs"
ONE_SLOT = "SQL, hot account, 1 slot"
SLOTS = "SQL, hot account, 16 slots"
HTTP = "HTTP, random pairs"
YARDSTICK = (TPCB, 8)

Work = tuple[Line, Callable[[], float]]
"""A line, and what measures a round of it."""


def yardstick(stage: Stage, seconds: int, clients: Sequence[int]) -> list[Work]:
    """What the others are compared with: at 8 clients, others for the plot."""
    return [
        (
            Line(TPCB, number, "per second"),
            partial(stage.pgbench, "-b", "tpcb-like", clients=number, seconds=seconds, ours=False),
        )
        for number in clients
    ]


def singles(stage: Stage, folder: Path, seconds: int) -> list[Work]:
    """Random pairs, by number of clients."""
    bars = {8: (1.0, 1.6)}
    return _scripted(stage, stage.scripts(folder)["uniform"], RANDOM, bars, seconds)


def hot(stage: Stage, folder: Path, seconds: int) -> list[Work]:
    """One account in every transfer, with one slot and with many."""
    paths = stage.scripts(folder)
    return [
        *_scripted(stage, paths["single"], ONE_SLOT, {16: (0.25, 0.4)}, seconds),
        *_scripted(stage, paths["slotted"], SLOTS, {16: (0.8, 1.0)}, seconds),
    ]


def _scripted(
    stage: Stage, script: Path, name: str, bars: dict[int, tuple[float, float]], seconds: int
) -> list[Work]:
    return [
        (
            Line(
                name,
                clients,
                "per second",
                (RANDOM, clients) if name == SLOTS else YARDSTICK,
                *bars.get(clients, (None, None)),
            ),
            partial(stage.pgbench, "-f", str(script), clients=clients, seconds=seconds, ours=True),
        )
        for clients in CLIENTS
    ]


def over_http(stage: Stage, seconds: int) -> list[Work]:
    """Random pairs over HTTP."""
    return [
        (
            Line(HTTP, clients, "per second", YARDSTICK),
            partial(_calls, stage, clients, seconds),
        )
        for clients in (1, 16)
    ]


def _calls(stage: Stage, clients: int, seconds: int) -> float:
    """Calls per second; every answer has to be 200."""
    return asyncio.run(_drive(stage, clients, seconds))


async def _drive(stage: Stage, clients: int, seconds: int) -> float:
    url = urlsplit(stage.info.api_url)
    deadline = time.perf_counter() + seconds
    head = (
        f"POST /rest/v1/rpc/transfer HTTP/1.1\r\nHost: {url.netloc}\r\n"
        f"apikey: {stage.info.anon_key}\r\nAuthorization: Bearer {stage.token}\r\n"
        "Content-Profile: ledger\r\nContent-Type: application/json\r\nContent-Length: "
    )

    async def client(seed: int) -> int:
        dice, calls = random.Random(seed), 0
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        while time.perf_counter() < deadline:
            giver, taker = dice.sample(range(1, ACCOUNTS + 1), 2)
            body = json.dumps(
                {
                    "book_id": stage.book_id,
                    "from_account_id": account_id(giver),
                    "to_account_id": account_id(taker),
                    "amount": dice.randint(1, 100),
                    "idempotency_key": str(uuid7()),
                }
            )
            writer.write(f"{head}{len(body)}\r\n\r\n{body}".encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
            content = await reader.readexactly(length)
            if not answer.startswith(b"http/1.1 200"):
                raise SystemExit(f"HTTP failed: {answer!r} {content!r}")
            calls += 1
        writer.close()
        return calls

    started = time.perf_counter()
    calls = sum(await asyncio.gather(*(client(seed) for seed in range(clients))))
    return calls / (time.perf_counter() - started)
