"""Connections to Postgres, each of which sends a whole transaction in one round trip.

psycopg connects; statements go through libpq's pipeline mode directly, because a request's
statements are known beforehand and must reach Postgres in exactly one order, each prepared once.
The pool is our own because its failures are part of the protocol: that no connection came free in
time, that none could be made, and that one broke under a request are three different answers.
"""

from __future__ import annotations

import asyncio
import itertools
import select
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from psycopg import AsyncConnection, OperationalError
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from .errors import ApiError, connection_lost, sqlstate_of

_PREPARED = 500  # statements a connection, before all are dropped
_Preparing = tuple[tuple[bytes, str], bytes]  # a statement and its role, the name given to them


class Statement(NamedTuple):
    """One statement; with `prepare_as` it is prepared once a connection for that role."""

    sql: bytes
    params: Sequence[bytes | None] = ()
    types: Sequence[int] | None = None
    prepare_as: str | None = None


class Outcome(NamedTuple):
    """The results up to the first error, and that error."""

    results: list[PGresult]
    error: PGresult | None


class Wire:
    """One connection."""

    def __init__(self, connection: AsyncConnection, *, prepares: bool) -> None:
        self._connection = connection
        self._prepares = prepares
        self._pg: PGconn = connection.pgconn
        self._names: dict[tuple[bytes, str], bytes] = {}
        self._numbers = itertools.count()
        self._pg.enter_pipeline_mode()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it a failed one."""
        return self._pg.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    @property
    def reusable(self) -> bool:
        """Whether the next request may have this connection."""
        idle = self._pg.transaction_status == TransactionStatus.IDLE
        return idle and self._pg.status == ConnStatus.OK

    @property
    def alive(self) -> bool:
        """Whether Postgres has said nothing while the connection was idle: else it said goodbye."""
        poll = select.poll()
        poll.register(self._pg.socket, select.POLLIN)
        return not poll.poll(0)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def run(self, statements: Sequence[Statement]) -> Outcome:
        """Send all statements at once; Postgres skips what follows an error.

        Raises:
            ApiError: PGRST001, the connection broke.
        """
        try:
            if len(self._names) > _PREPARED:
                self._names.clear()
                await self._exchange([Statement(b"DEALLOCATE ALL")])
            return await self._exchange(statements)
        except OperationalError as broken:
            raise connection_lost() from broken

    async def _exchange(self, statements: Sequence[Statement]) -> Outcome:
        preparing = self._send(statements)
        results: list[PGresult] = []
        error: PGresult | None = None
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        socket = self._pg.socket
        loop.add_reader(socket, ready.set)
        try:
            await self._flush(loop, ready)
            number = 0
            while True:
                while self._pg.is_busy():
                    await ready.wait()
                    ready.clear()
                    try:
                        self._pg.consume_input()
                    except OperationalError:
                        break  # what Postgres said last is still to be read
                result = self._pg.get_result()
                if result is None:
                    if self._pg.status == ConnStatus.BAD:
                        break
                    number += 1
                elif result.status == ExecStatus.PIPELINE_SYNC:
                    break
                elif result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                    made = preparing[number]
                    if made is None:
                        results.append(result)
                    else:
                        self._names[made[0]] = made[1]
                elif result.status != ExecStatus.PIPELINE_ABORTED and error is None:
                    error = result
        finally:
            loop.remove_reader(socket)
        if self._pg.status == ConnStatus.BAD and (error is None or not sqlstate_of(error)):
            raise connection_lost()
        return Outcome(results, error)

    def _send(self, statements: Sequence[Statement]) -> list[_Preparing | None]:
        """Queue the statements; return for each command what it prepares, if it does."""
        preparing: list[_Preparing | None] = []
        for sql, params, types, prepare_as in statements:
            preparing.append(None)
            if prepare_as is None or not self._prepares:
                self._pg.send_query_params(sql, params, types)
                continue
            name = self._names.get((sql, prepare_as))
            if name is None:
                name = b"g%d" % next(self._numbers)
                preparing.insert(-1, ((sql, prepare_as), name))
                self._pg.send_prepare(name, sql, types)
            self._pg.send_query_prepared(name, params)
        self._pg.pipeline_sync()
        return preparing

    async def _flush(self, loop: asyncio.AbstractEventLoop, ready: asyncio.Event) -> None:
        while self._pg.flush():
            loop.add_writer(self._pg.socket, ready.set)
            try:
                await ready.wait()
            finally:
                loop.remove_writer(self._pg.socket)
            ready.clear()
            self._pg.consume_input()


class Pool:
    """At most `size` connections, made when needed.

    Args:
        uri: Connection URL.
        size: The most connections.
        timeout: Seconds to wait for one.
        prepares: Whether statements are prepared, which wants a session of one's own.
    """

    def __init__(self, uri: str, size: int, timeout: float, *, prepares: bool) -> None:
        self._uri = uri
        self._prepares = prepares
        self._timeout = timeout
        self._free = asyncio.Semaphore(size)
        self._idle: list[Wire] = []

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        """Lend a connection.

        Raises:
            ApiError: PGRST003, none came free in time; PGRST000, Postgres cannot be reached.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError:
            message = "No connection to Postgres came free in time; nothing was executed."
            raise ApiError(504, "PGRST003", message) from None
        try:
            wire = await self._take()
            try:
                yield wire
            finally:
                if wire.reusable:
                    self._idle.append(wire)
                else:
                    await wire.close()
        finally:
            self._free.release()

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().close()

    async def _take(self) -> Wire:
        while self._idle:
            wire = self._idle.pop()
            if wire.alive:
                return wire
            await wire.close()
        return Wire(await connect(self._uri), prepares=self._prepares)


async def connect(uri: str) -> AsyncConnection:
    """Connect.

    Raises:
        ApiError: PGRST000, Postgres cannot be reached or refuses us.
    """
    try:
        return await AsyncConnection.connect(
            uri,
            autocommit=True,
            connect_timeout=10,
            client_encoding="utf8",
            application_name="tillroll-gateway",
        )
    except OperationalError as unreachable:
        details = str(unreachable).strip()
        message = "Postgres cannot be reached."
        raise ApiError(503, "PGRST000", message, details=details) from unreachable
