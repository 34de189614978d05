"""Calls over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
from postgrest import AsyncPostgrestClient

from tillroll.models import plain
from tillroll.retry import Outcome
from tillroll.transports import SCHEMA, Failed, Page
from tillroll.transports.postgrest import Exchange, current, failure, filters

__all__ = ["AsyncHttp"]

Headers = Callable[[], Awaitable[Mapping[str, str]]]


class AsyncHttp:
    """PostgREST through the package `postgrest`, with its own retries off.

    Args:
        rest_url: Where PostgREST answers: `https://….supabase.co/rest/v1`.
        headers: Asked before each request, so that a new token is used at once.
        transport: Of httpx; for proxies, certificates, tests.
    """

    most_rows: int | None = 1000  # Supabase's cap, which is silent

    def __init__(
        self, rest_url: str, headers: Headers, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._headers = headers
        self._session = httpx.AsyncClient(
            transport=transport,
            event_hooks={"request": [_limit_time], "response": [_keep_response]},
        )
        self._client = AsyncPostgrestClient(
            rest_url, schema=SCHEMA, headers={}, http_client=self._session, retry_enabled=False
        )

    async def close(self) -> None:
        await self._session.aclose()

    async def call(
        self, function: str, arguments: Mapping[str, Any], *, timeout: float
    ) -> list[Any]:
        data = await self._send(self._client.rpc(function, _body(arguments)), timeout)
        return data if isinstance(data, list) else [data]

    async def page(self, page: Page, *, timeout: float) -> tuple[list[Any], bool]:
        """Return rows, and whether they are the last: a server's cap on rows is silent."""
        request: Any
        if page.arguments is None:
            request = self._client.from_(page.source).select()
        else:
            request = self._client.rpc(page.source, _body(page.arguments))
        request.request.params = httpx.QueryParams(tuple(filters(page)))
        rows = await self._send(request, timeout)
        return rows, not rows

    async def _send(self, request: Any, timeout: float) -> Any:
        request.request.headers.update(await self._headers())
        exchange = Exchange(timeout)
        token = current.set(exchange)
        try:
            data = (await request.execute()).data
        except Exception as error:
            raise failure(error, exchange) from error
        finally:
            current.reset(token)
        if isinstance(data, str):
            raise Failed(Outcome.UNKNOWN, f"the answer is not JSON: {data[:80]!r}")
        return data


def _body(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in arguments.items()}


async def _limit_time(request: httpx.Request) -> None:
    exchange = current.get()
    exchange.begun = True
    request.extensions["timeout"] = httpx.Timeout(exchange.timeout).as_dict()


async def _keep_response(response: httpx.Response) -> None:
    current.get().response = response
