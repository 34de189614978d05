"""HTTP through PostgREST: filters of a page, and what answers and exceptions mean. No I/O."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from postgrest import APIError

from tillroll.errors import from_answer
from tillroll.retry import Outcome, classify
from tillroll.transports import Failed, Page

__all__ = ["Exchange", "current", "failure", "filters"]

# Raised before a byte of the request has left.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_MISUSE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL)


@dataclass
class Exchange:
    """One request on its way: the hooks of the HTTP client read and fill it."""

    timeout: float
    begun: bool = False
    response: httpx.Response | None = None


# postgrest hands out neither the status nor the headers of an answer: our hooks meet the call here.
current: ContextVar[Exchange] = ContextVar("tillroll_exchange")


def filters(page: Page) -> list[tuple[str, str]]:
    """Return the query string of a page: equalities, what comes after the key, order, limit."""
    query = [("select", ",".join(page.columns))]
    query += [(column, f"eq.{value}") for column, value in page.equals.items()]
    after = list(zip(page.key, page.after, strict=True)) if page.after else []
    if len(after) == 1:
        query.append((after[0][0], f"gt.{after[0][1]}"))
    elif after:
        steps = []
        for count, (column, value) in enumerate(after):
            same = [f"{each}.eq.{earlier}" for each, earlier in after[:count]]
            steps.append(f"and({','.join([*same, f'{column}.gt.{value}'])})")
        query.append(("or", f"({','.join(steps)})"))
        # Says nothing more, but an index can begin there.
        query.append((after[0][0], f"gte.{after[0][1]}"))
    query.append(("order", ",".join(f"{column}.asc" for column in page.key)))
    return [*query, ("limit", str(page.limit))]


def failure(error: Exception, exchange: Exchange) -> Failed:
    """Return what an exception of postgrest or httpx says about the call."""
    response = exchange.response
    if isinstance(error, APIError) and response is not None:
        status, code = response.status_code, error.code
        answer = from_answer(
            code=code,
            message=error.message,
            details=error.details if isinstance(error.details, str) else None,
            hint=error.hint,
            http_status=status,
        )
        return Failed(
            classify(code, status),
            str(answer),
            error=answer,
            retry_after=_seconds(response.headers.get("Retry-After")),
            slow=code == "57014",
        )
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, _UNSENT):
        return Failed(Outcome.NOT_EXECUTED, reason)
    # What cannot be written as a request is the caller's mistake, and nothing has left.
    if isinstance(error, _MISUSE) or not exchange.begun:
        raise error
    return Failed(Outcome.UNKNOWN, reason)


def _seconds(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        moment: datetime = parsedate_to_datetime(retry_after)
        return max(0.0, moment.timestamp() - datetime.now(UTC).timestamp())
    except (TypeError, ValueError):
        return None
