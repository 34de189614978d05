"""The way in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from tillroll._async._book import AsyncBook
from tillroll._async._calls import AsyncCalls
from tillroll._async._http import AsyncHttp
from tillroll.models import BookId, BookInfo, Currency
from tillroll.retry import RetryPolicy, uuid7

if TYPE_CHECKING:
    import httpx
    import psycopg
    from psycopg_pool import AsyncConnectionPool
    from supabase import AsyncClient

__all__ = ["AsyncTillroll"]

AccessToken = str | Callable[[], Awaitable[str]]


class AsyncTillroll:
    """A client of the ledger, with the rights of whoever is signed in.

    Closes what it has opened, not what it was given; use it as a context manager, or `close()`.

    Args:
        client: Of the package `supabase`; its URL, key and session are used as they are at each
            call, so that a later sign-in or refresh is followed.
        timeout: Of one attempt, in seconds without a byte from the server.
        retry: How hard to try again.
        http_transport: Of httpx, in place of its own: for proxies and certificates.
    """

    def __init__(
        self,
        client: AsyncClient,
        *,
        timeout: float = 15.0,
        retry: RetryPolicy | None = None,
        http_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        async def headers() -> Mapping[str, str]:
            return client.options.headers

        http = AsyncHttp(str(client.rest_url), headers, http_transport)
        self._calls = AsyncCalls(http, retry or RetryPolicy(), timeout)

    @classmethod
    def connect(
        cls,
        url: str,
        key: str,
        *,
        access_token: AccessToken | None = None,
        rest_path: str = "/rest/v1",
        timeout: float = 15.0,
        retry: RetryPolicy | None = None,
        http_transport: httpx.AsyncBaseTransport | None = None,
    ) -> Self:
        """Return a client of a project that is not signed in through `supabase`.

        Args:
            url: The project's URL.
            key: Its publishable (anon) or secret (service_role) key.
            access_token: The user's token, or a function that gives the current one before each
                request; without it the key's own role acts.
            rest_path: Where PostgREST answers below `url`; "" for a bare PostgREST.
            timeout: Of one attempt, in seconds without a byte from the server.
            retry: How hard to try again.
            http_transport: Of httpx, in place of its own: for proxies and certificates.
        """

        async def headers() -> Mapping[str, str]:
            token = access_token or key
            bearer = token if isinstance(token, str) else await token()
            return {"apikey": key, "Authorization": f"Bearer {bearer}"}

        http = AsyncHttp(url.rstrip("/") + rest_path, headers, http_transport)
        return cls._of(AsyncCalls(http, retry or RetryPolicy(), timeout))

    @classmethod
    def direct(
        cls,
        database: str | psycopg.AsyncConnection[Any] | AsyncConnectionPool[Any],
        *,
        timeout: float = 15.0,
        retry: RetryPolicy | None = None,
    ) -> Self:
        """Return a client that calls Postgres itself, with the rights of the connection's role.

        Needs `pip install 'tillroll[direct]'`.

        Args:
            database: A connection string, a pool, or a connection. A connection string opens one
                connection for each concurrent call and keeps it. A connection that is in a
                transaction takes the calls into it: they are then not repeated, and count when
                you commit.
            timeout: To get a connection, in seconds.
            retry: How hard to try again.
        """
        try:
            from tillroll._async._direct import AsyncDirect
        except ImportError as absent:
            raise ImportError(
                "a direct connection needs psycopg: pip install 'tillroll[direct]'"
            ) from absent
        return cls._of(AsyncCalls(AsyncDirect(database), retry or RetryPolicy(), timeout))

    @classmethod
    def _of(cls, calls: AsyncCalls) -> Self:
        self = cls.__new__(cls)
        self._calls = calls
        return self

    async def close(self) -> None:
        """Close the connections that this client has opened."""
        await self._calls.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def book(self, book_id: UUID | str) -> AsyncBook:
        """Return a handle of a book; asks nobody whether there is one."""
        known = book_id if isinstance(book_id, UUID) else UUID(book_id)
        return AsyncBook(BookId(known), self._calls)

    async def create_book(
        self, *, name: str, base_currency: str, id: UUID | str | None = None
    ) -> BookInfo:
        """Create a book; you become its owner.

        Args:
            base_currency: A code such as EUR.
            id: Yours, to survive a process restart; else one is made for this call and its retries.

        Raises:
            InvalidArgument: The name is empty or too long, or there is no such currency.
            IdempotencyMismatch: The id is in use, with other arguments.
            OutcomeUnknown: No answer came, and repeating the call did not settle it.
        """
        id = uuid7() if id is None else id
        return await self._calls.write(
            BookInfo, "create_book", key=id, name=name, base_currency=base_currency, id=id
        )

    def books(self) -> AsyncIterator[BookInfo]:
        """Read the books that you are a member of."""
        return self._calls.pages(BookInfo, "books", ("id",))

    def currencies(self) -> AsyncIterator[Currency]:
        """Read the currencies, by code."""
        return self._calls.pages(Currency, "currencies", ("code",))
