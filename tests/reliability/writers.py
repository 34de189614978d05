"""Processes that transfer as fast as they can and keep books of what they were told."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psycopg
from psycopg import pq

from tillroll.models import AccountId, BookId

IN_FLIGHT = 8  # transfers that a connection sends before it reads the answers
EXPECTED = "insufficient_funds"
PATIENCE = 20  # refusals for another reason, after which a process gives up


@dataclass(frozen=True)
class Task:
    """What one process is to do.

    Args:
        name: The keys begin with it.
        seed: Of what is drawn.
        goes_to: DSN of a user, or the URL of a gateway with her `token`.
        quota: Transfers to be accepted before it ends.
        most: The largest amount, in minor units.
    """

    name: str
    seed: str
    goes_to: str
    token: str
    book_id: BookId
    accounts: list[AccountId]
    connections: int
    quota: int
    most: int


@dataclass
class Told:
    """The answers: accepted keys, what they moved, and refusals by code."""

    keys: list[str] = field(default_factory=list)
    moved: Counter[AccountId] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def note(self, order: Order, code: str | None) -> None:
        """Book an answer."""
        if code is not None:
            self.refused[code] += 1
            return
        self.keys.append(order.key)
        self.moved[order.giver] -= order.amount
        self.moved[order.taker] += order.amount

    def odd(self) -> Counter[str]:
        """The refusals for another reason than a lack of funds."""
        return Counter({code: count for code, count in self.refused.items() if code != EXPECTED})

    def goes_on(self, task: Task) -> bool:
        """Whether there is more to do, and a point in doing it."""
        return len(self.keys) < task.quota and self.odd().total() <= PATIENCE

    def add(self, other: Told) -> None:
        """Join the answers of another process."""
        self.keys += other.keys
        self.moved.update(other.moved)
        self.refused += other.refused


@dataclass(frozen=True, slots=True)
class Order:
    """One transfer under its key."""

    key: str
    giver: AccountId
    taker: AccountId
    amount: int


def orders(task: Task) -> Iterator[Order]:
    """Transfers drawn by chance, without end."""
    dice, number = random.Random(task.seed), 0
    while True:
        giver, taker = dice.sample(task.accounts, 2)
        yield Order(f"{task.name}-{number:07}", giver, taker, dice.randint(1, task.most))
        number += 1


def in_sql(task: Task) -> Told:
    """Prepared calls on pipelined connections, each a transaction of its own."""
    told, drawn = Told(), orders(task)
    statement = b"select transaction_id from ledger.transfer($1, $2, $3, $4, $5)"
    book_id = str(task.book_id).encode()
    connections = [psycopg.connect(task.goes_to) for _ in range(task.connections)]
    try:
        wires = [connection.pgconn for connection in connections]
        for wire in wires:
            wire.prepare(b"transfer", statement)
            wire.enter_pipeline_mode()
        while told.goes_on(task):
            sent = [[next(drawn) for _ in range(IN_FLIGHT)] for _ in wires]
            for wire, burst in zip(wires, sent, strict=True):
                for order in burst:
                    words = (order.giver, order.taker, order.amount, order.key)
                    arguments = [book_id, *(str(word).encode() for word in words)]
                    wire.send_query_prepared(b"transfer", arguments)
                    wire.pipeline_sync()
                wire.flush()
            for wire, burst in zip(wires, sent, strict=True):
                for order in burst:
                    told.note(order, _answer(wire))
    finally:
        for connection in connections:
            connection.close()
    return told


def _answer(wire: pq.abc.PGconn) -> str | None:
    """The refusal's code of the next answer, None where the transfer was posted."""
    answer = wire.get_result()
    assert answer is not None
    code = None
    if answer.status == pq.ExecStatus.FATAL_ERROR:
        code = (answer.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        if code == "PGRST":
            said = answer.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b"{}"
            code = json.loads(said)["code"]
    elif answer.status != pq.ExecStatus.TUPLES_OK or answer.ntuples != 1:
        code = f"{answer.status!r}, {answer.ntuples} rows"
    assert wire.get_result() is None
    end = wire.get_result()
    assert end is not None
    assert end.status == pq.ExecStatus.PIPELINE_SYNC
    return code


def over_http(task: Task) -> Told:
    """Requests on keep-alive connections, with next to no client around them."""
    return asyncio.run(_over_http(task))


async def _over_http(task: Task) -> Told:
    told, drawn = Told(), orders(task)
    url = urlsplit(task.goes_to)
    head = (
        f"POST /rpc/transfer HTTP/1.1\r\nHost: {url.netloc}\r\n"
        f"Authorization: Bearer {task.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    )

    async def client() -> None:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        while told.goes_on(task):
            order = next(drawn)
            body = json.dumps(
                {
                    "book_id": str(task.book_id),
                    "from_account_id": str(order.giver),
                    "to_account_id": str(order.taker),
                    "amount": order.amount,
                    "idempotency_key": order.key,
                }
            )
            writer.write(f"{head}{len(body)}\r\n\r\n{body}".encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
            said = json.loads(await reader.readexactly(length))
            told.note(order, None if answer.startswith(b"http/1.1 200") else said["code"])
        writer.close()
        await writer.wait_closed()

    async with asyncio.TaskGroup() as group:
        for _ in range(task.connections):
            group.create_task(client())
    return told
