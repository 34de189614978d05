"""Each fault of the proxy, seen from both of its sides, with a real gateway and a real Postgres."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import psycopg
import pytest

from tests.conftest import cluster_of
from tests.reliability.proxy import KINDS, Fault, Http, Plan, Postgres, Proxy, Struck
from tests.reliability.stage import Bank, Gateway, gateway, open_bank
from tests.waiting import until

PATIENCE = 20.0


@pytest.fixture(scope="module")
def bank() -> Iterator[Bank]:
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    yield open_bank(database, accounts=2, funds=1_000)
    cluster.drop(database)


@pytest.fixture(scope="module")
def behind(bank: Bank) -> Iterator[Gateway]:
    with gateway(bank.login()) as running:
        yield running


@pytest.fixture
def home(bank: Bank, behind: Gateway) -> Home:
    return Home(bank, int(behind.url.rsplit(":", 1)[1]))


class Home:
    """The bank, asked over HTTP byte by byte, or through psycopg."""

    def __init__(self, bank: Bank, port: int) -> None:
        self.bank, self.port = bank, port
        self.before = self.posted()

    def posted(self) -> int:
        """What the second account holds."""
        with self.bank.database.connect() as owner:
            [(posted,)] = owner.execute(
                "select posted from ledger_private.balances where account_id = %s",
                [self.bank.accounts[1]],
            )
        return int(posted)

    def moved(self) -> int:
        """How often the request has been executed since this test began."""
        return self.posted() - self.before

    def request(self) -> bytes:
        """Move one unit, without a key: executed twice it moves two."""
        giver, taker = self.bank.accounts[:2]
        body = json.dumps(
            {
                "book_id": str(self.bank.book_id),
                "from_account_id": str(giver),
                "to_account_id": str(taker),
                "amount": 1,
            }
        )
        return (
            "POST /rpc/transfer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.bank.token()}\r\nContent-Length: {len(body)}\r\n\r\n"
            f"{body}"
        ).encode()

    async def until_moved(self, times: int) -> None:
        await asyncio.to_thread(until, lambda: self.moved() == times)

    @asynccontextmanager
    async def http(self, *faults: Fault) -> AsyncIterator[tuple[Proxy, Caller]]:
        """A connection to the gateway through a proxy whose first exchanges these faults strike."""
        struck: list[Struck] = []
        plan = Plan(dict(enumerate(faults)))
        async with Proxy(self.port, Http, plan, struck.append) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            try:
                yield proxy, Caller(self, reader, writer, struck)
            finally:
                writer.close()

    @asynccontextmanager
    async def psycopg(
        self, *faults: Fault
    ) -> AsyncIterator[tuple[Proxy, psycopg.AsyncConnection[Any]]]:
        """A connection as the owner through a proxy, on which these faults strike the next."""
        async with Proxy(self.bank.database.server.port, Postgres) as proxy:
            dsn = self.bank.database.dsn().replace(f":{proxy.target}/", f":{proxy.port}/")
            connection = await psycopg.AsyncConnection.connect(dsn)
            proxy.plan = Plan(dict(enumerate(faults)))
            try:
                yield proxy, connection
            finally:
                await connection.close()


class Caller:
    """One HTTP connection, and what struck it."""

    def __init__(
        self,
        home: Home,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        struck: list[Struck],
    ) -> None:
        self._home, self.reader, self.writer, self.struck = home, reader, writer, struck

    async def send(self) -> None:
        self.writer.write(self._home.request())
        await self.writer.drain()

    async def answer(self) -> bytes:
        """The whole answer."""
        async with asyncio.timeout(PATIENCE):
            return await Http().answer(self.reader)

    async def rest(self) -> bytes:
        """Everything until the connection ends."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def nothing(self, seconds: float) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.reader.read(1)


async def test_without_a_fault_everything_passes(home: Home) -> None:
    async with home.http() as (proxy, caller):
        for _ in range(3):
            await caller.send()
            assert (await caller.answer()).startswith(b"HTTP/1.1 200")
        assert proxy.plan.exchanges == 3
    assert home.moved() == 3


@pytest.mark.parametrize("after", [0, 1, 100])
async def test_a_cut_answer_ends_at_its_byte_and_the_transfer_has_happened(
    after: int, home: Home
) -> None:
    async with home.http(Fault("cut", after=after)) as (_, caller):
        await caller.send()
        came = await caller.rest()
        [struck] = caller.struck
        assert came == struck.answer[:after]
        assert home.moved() == 1
        assert json.loads(struck.answer.partition(b"\r\n\r\n")[2])["replayed"] is False


@pytest.mark.parametrize("after", [0, 1, 400])
async def test_a_request_that_is_cut_does_not_arrive(after: int, home: Home) -> None:
    async with home.http(Fault("cut", "up", after)) as (proxy, caller):
        await caller.send()
        assert await caller.rest() == b""
        # Whoever comes next is served: the gateway has got over it.
        caller.reader, caller.writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await caller.send()
        assert (await caller.answer()).startswith(b"HTTP/1.1 200")
        caller.writer.close()
    assert home.moved() == 1


async def test_a_request_that_is_cut_behind_its_end_is_executed(home: Home) -> None:
    async with home.http(Fault("cut", "up", None)) as (_, caller):
        await caller.send()
        assert await caller.rest() == b""
        await home.until_moved(1)


async def test_a_reset_is_one(home: Home) -> None:
    async with home.http(Fault("reset")) as (_, caller):
        await caller.send()
        with pytest.raises(ConnectionResetError):
            await caller.rest()
    assert home.moved() == 1


async def test_a_half_close_ends_one_way_only(home: Home) -> None:
    async with home.http(Fault("half-close", after=5)) as (proxy, caller):
        await caller.send()
        assert await caller.rest() == b"HTTP/"
        assert proxy.connections == 1
        await caller.send()  # goes through, and its answer comes to nobody
        await home.until_moved(2)
        assert proxy.connections == 1


async def test_a_blackhole_says_nothing_and_ends_late(home: Home) -> None:
    async with home.http(Fault("blackhole", "up", 10, seconds=0.5)) as (_, caller):
        await caller.send()
        await caller.nothing(0.2)
        assert await caller.rest() == b""
    assert home.moved() == 0


async def test_a_delay_is_as_long_as_planned(home: Home) -> None:
    async with home.http(Fault("delay", after=10, seconds=0.3)) as (_, caller):
        begun = time.monotonic()
        await caller.send()
        assert len(await caller.answer()) > 10
        assert time.monotonic() - begun >= 0.3
    assert home.moved() == 1


async def test_an_answer_is_held_after_the_commit(home: Home) -> None:
    async with home.http(Fault("hold", seconds=1.0)) as (_, caller):
        await caller.send()
        await home.until_moved(1)
        await caller.nothing(0.1)
        assert (await caller.answer()).startswith(b"HTTP/1.1 200")


async def test_a_duplicate_is_executed_twice_and_answered_once(home: Home) -> None:
    async with home.http(Fault("duplicate", "up")) as (_, caller):
        await caller.send()
        assert (await caller.answer()).startswith(b"HTTP/1.1 200")
        await home.until_moved(2)
        await caller.nothing(0.1)


async def test_cutting_ends_what_is_open(home: Home) -> None:
    async with home.http(Fault("blackhole", "up", 0, seconds=3_600)) as (proxy, caller):
        await caller.send()
        await asyncio.to_thread(until, lambda: bool(caller.struck))
        await proxy.cut()
        assert proxy.connections == 0
        assert await caller.rest() == b""


async def test_psycopg_and_its_notices_pass(home: Home) -> None:
    async with home.psycopg() as (proxy, connection):
        [row] = await (await connection.execute("select repeat('x', 100000)")).fetchall()
        assert len(row[0]) == 100_000
        await connection.execute("listen news")
        await connection.commit()
        assert proxy.plan.exchanges == 4  # begin, select, listen, commit
        with home.bank.database.connect() as owner:
            owner.execute("notify news, 'today'")
        async for notice in connection.notifies(timeout=PATIENCE, stop_after=1):
            assert notice.payload == "today"


@pytest.mark.parametrize(("way", "after"), [("down", 0), ("down", 5), ("up", None)])
async def test_a_commit_whose_answer_is_cut_has_happened(
    way: Any, after: int | None, home: Home
) -> None:
    pay = (
        "select ledger.transfer(%s, %s, %s, 1)",
        [home.bank.book_id, *home.bank.accounts[:2]],
    )
    passing = Fault("delay", "up")
    async with home.psycopg(passing, passing, Fault("cut", way, after)) as (_, connection):
        await connection.execute(*pay)
        with pytest.raises(psycopg.OperationalError):
            await connection.commit()
        await home.until_moved(1)


async def test_a_commit_that_is_cut_has_not_happened(home: Home) -> None:
    passing = Fault("delay", "up")
    async with home.psycopg(passing, passing, Fault("cut", "up", 3)) as (_, connection):
        await connection.execute(
            "select ledger.transfer(%s, %s, %s, 1)", [home.bank.book_id, *home.bank.accounts[:2]]
        )
        with pytest.raises(psycopg.OperationalError):
            await connection.commit()
    assert home.moved() == 0


async def test_only_answers_that_hold_the_bytes_are_struck(home: Home) -> None:
    async with home.psycopg() as (proxy, connection):
        proxy.plan = Plan(otherwise=Fault("reset", within=b"COMMIT"))
        await connection.execute("select 1")
        with pytest.raises(psycopg.OperationalError):
            await connection.commit()


async def test_a_start_that_is_cut_gives_no_connection(home: Home) -> None:
    for way in ("up", "down"):
        async with Proxy(home.bank.database.server.port, Postgres) as proxy:
            proxy.plan = Plan(otherwise=Fault("cut", way, 4))
            dsn = home.bank.database.dsn().replace(f":{proxy.target}/", f":{proxy.port}/")
            with pytest.raises(psycopg.OperationalError):
                await psycopg.AsyncConnection.connect(dsn)


def test_a_plan_is_its_seed() -> None:
    def drawn(seed: int) -> Plan:
        return Plan.drawn(Random(seed), 1_000, share=0.2, kinds=KINDS, patience=1.0)

    assert drawn(1).faults == drawn(1).faults != drawn(2).faults
    assert 100 < len(drawn(1).faults) < 300
    assert {fault.kind for fault in drawn(1).faults.values()} == set(KINDS)
