"""Calls over a direct connection to Postgres, for programs that are beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from tillroll.transports import Page, postgres

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

__all__ = ["AsyncDirect"]

Connection = psycopg.AsyncConnection[Any]


class AsyncDirect:
    """Postgres through psycopg.

    Args:
        database: A connection string (one connection for each concurrent call, kept for the next),
            a pool, or a connection, whose transaction the calls join where it is in one.
    """

    most_rows: int | None = None

    def __init__(self, database: str | Connection | AsyncConnectionPool[Any]) -> None:
        self._database = database
        self._idle: list[Connection] = []
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """Close what this object has opened; a pool or a connection stays the caller's."""
        while self._idle:
            await self._idle.pop().close()

    async def call(
        self, function: str, arguments: Mapping[str, Any], *, timeout: float
    ) -> list[Any]:
        serializable = function in postgres.SERIALIZABLE
        statement, values = postgres.call(function, arguments)
        return await self._run(statement, values, timeout, serializable=serializable)

    async def page(self, page: Page, *, timeout: float) -> tuple[list[Any], bool]:
        rows = await self._run(*postgres.page(page), timeout)
        return rows, len(rows) < page.limit

    async def _run(
        self,
        statement: Any,
        values: dict[str, Any],
        timeout: float,
        *,
        serializable: bool = False,
    ) -> list[Any]:
        connected = in_transaction = False
        try:
            async with self._connection(timeout) as connection:
                connected = True
                status = connection.info.transaction_status
                in_transaction = status is not TransactionStatus.IDLE
                if connection.autocommit and not in_transaction and not serializable:
                    return await _rows(connection, statement, values)
                async with connection.transaction():
                    if serializable and not in_transaction:
                        await connection.execute("set transaction isolation level serializable")
                    return await _rows(connection, statement, values)
        except Exception as error:
            raise postgres.failure(
                error, connected=connected, in_transaction=in_transaction
            ) from error

    @asynccontextmanager
    async def _connection(self, timeout: float) -> AsyncIterator[Connection]:
        if isinstance(self._database, psycopg.AsyncConnection):
            async with self._turn:
                yield self._database
        elif isinstance(self._database, str):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = await _open(self._database, timeout)
            try:
                yield connection
            finally:
                if connection.closed or connection.broken:
                    await connection.close()
                else:
                    self._idle.append(connection)
        else:
            async with self._database.connection(timeout=timeout) as connection:
                yield connection


async def _open(dsn: str, timeout: float) -> Connection:
    # Prepared statements would not survive a transaction pooler.
    return await psycopg.AsyncConnection.connect(
        dsn, autocommit=True, prepare_threshold=None, connect_timeout=max(2, int(timeout))
    )


async def _rows(connection: Connection, statement: Any, values: dict[str, Any]) -> list[Any]:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(statement, values)
        return [row[0] for row in await cursor.fetchall()]
