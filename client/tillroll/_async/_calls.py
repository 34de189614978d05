"""A call with its retries, and its answer as models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from tillroll.errors import (
    BookNotFound,
    Forbidden,
    InvalidResponse,
    LedgerError,
    NoAnswer,
    OutcomeUnknown,
    TillrollError,
    Unreachable,
)
from tillroll.models import columns, parse
from tillroll.retry import Attempts, Budget, Outcome, RetryPolicy
from tillroll.transports import Failed, Page

__all__ = ["AsyncCalls", "AsyncTransport"]

Model = TypeVar("Model")
Answer = TypeVar("Answer")


class AsyncTransport(Protocol):
    """A way to the database.

    Attributes:
        most_rows: What one answer of a call surely holds; None: any number.
    """

    most_rows: int | None

    async def close(self) -> None: ...

    async def call(
        self, function: str, arguments: Mapping[str, Any], *, timeout: float
    ) -> list[Any]: ...

    async def page(self, page: Page, *, timeout: float) -> tuple[list[Any], bool]: ...


class AsyncCalls:
    """All calls of one client: they share a transport and a retry budget."""

    def __init__(self, transport: AsyncTransport, policy: RetryPolicy, timeout: float) -> None:
        self.transport = transport
        self._policy, self._timeout = policy, timeout
        self._budget = Budget(policy)

    async def read(
        self, model: type[Model], function: str, *, rows: int | None = None, **arguments: Any
    ) -> list[Model]:
        """Call a function that writes nothing and returns rows, this number where it is known."""
        answer = await self._repeat(
            function, lambda timeout: self.transport.call(function, arguments, timeout=timeout)
        )
        return _models(model, answer, rows)

    async def read_one(self, model: type[Model], function: str, **arguments: Any) -> Model:
        """Call a function that writes nothing and returns one row."""
        [row] = await self.read(model, function, rows=1, **arguments)
        return row

    async def write(
        self,
        model: type[Model],
        function: str,
        *,
        key: object = None,
        repeatable: bool = True,
        **arguments: Any,
    ) -> Model:
        """Call a function that writes and returns one row.

        Args:
            key: What makes a repetition safe, for the caller to know where the outcome is unknown.
            repeatable: Executing it twice is the same as once.
        """
        keys = () if key is None else (str(key),)
        [row] = await self.write_rows(
            model, function, rows=1, keys=keys, repeatable=repeatable, **arguments
        )
        return row

    async def write_rows(
        self,
        model: type[Model],
        function: str,
        *,
        rows: int,
        keys: tuple[str, ...],
        repeatable: bool = True,
        **arguments: Any,
    ) -> list[Model]:
        """Call a function that writes and returns this number of rows."""
        answer = await self._repeat(
            function,
            lambda timeout: self.transport.call(function, arguments, timeout=timeout),
            writes=True,
            keys=keys,
            repeatable=repeatable,
        )
        try:
            return _models(model, answer, rows)
        except InvalidResponse as wrong:
            # Somebody answered, and it may have happened: the caller needs the key to find out.
            raise OutcomeUnknown(
                f"the answer to {function} cannot be read: {wrong}", function=function, keys=keys
            ) from wrong

    async def pages(
        self,
        model: type[Model],
        source: str,
        key: tuple[str, ...],
        *,
        equals: Mapping[str, Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Model]:
        """Read a view or a function's set to its end, page by page."""
        page = Page(
            source=source,
            columns=columns(model),
            key=key,
            equals={name: value for name, value in (equals or {}).items() if value is not None},
            arguments=arguments,
        )
        while True:
            rows, last = await self._page(page)
            for row in _models(model, rows):
                yield row
            if last:
                return
            page = replace(page, after=tuple(rows[-1][name] for name in key))

    async def _page(self, page: Page) -> tuple[list[Any], bool]:
        return await self._repeat(
            page.source, lambda timeout: self.transport.page(page, timeout=timeout)
        )

    async def _repeat(
        self,
        function: str,
        attempt: Callable[[float], Awaitable[Answer]],
        *,
        writes: bool = False,
        keys: tuple[str, ...] = (),
        repeatable: bool = True,
    ) -> Answer:
        attempts = Attempts(self._policy, self._budget, repeatable=repeatable)
        while True:
            try:
                return await attempt(min(self._timeout, attempts.remaining()))
            except Failed as failed:
                wait = attempts.delay(
                    failed.outcome, slow=failed.slow, retry_after=failed.retry_after
                )
                if wait is None:
                    raise _verdict(failed, attempts, function, writes, keys) from failed.__cause__
            await self._policy.clock.asleep(wait)


def _verdict(
    failed: Failed, attempts: Attempts, function: str, writes: bool, keys: tuple[str, ...]
) -> TillrollError:
    tried = f"{function}, {attempts.count} {'attempt' if attempts.count == 1 else 'attempts'}"
    named = keys[0] if len(keys) == 1 else "the items' keys"
    if writes and attempts.maybe_executed:
        unknown = OutcomeUnknown(
            f"no answer that says whether it happened ({tried}): {failed}. "
            + (f"Repeat the call with {named}." if keys else "Read the present state."),
            function=function,
            keys=keys,
        )
        if (
            failed.outcome is not Outcome.FINAL
            or failed.error is None
            or not _settles(failed.error)
        ):
            return unknown
        # A definite answer to the repetition; the first sending may yet be on its way.
        failed.error.add_note(f"An earlier attempt had no answer ({tried}, key {named}).")
    if failed.outcome is Outcome.UNKNOWN:
        return NoAnswer(f"no answer ({tried}): {failed}")
    if failed.outcome is Outcome.NOT_EXECUTED or failed.error is None:
        return Unreachable(f"nobody took the call ({tried}): {failed}")
    return failed.error


def _settles(error: TillrollError) -> bool:
    """Whether this answer to a repetition says that the first sending did nothing, either.

    The ledger looks for the key before it refuses. A token that has expired meanwhile, a role that
    was taken away, a proxy that blocks: those answer before anybody has looked.
    """
    return isinstance(error, LedgerError) and not isinstance(error, BookNotFound | Forbidden)


def _models(model: type[Model], rows: object, count: int | None = None) -> list[Model]:
    try:
        if not isinstance(rows, list):
            raise ValueError(f"expected rows, got {rows!r}")
        if count is not None and len(rows) != count:
            raise ValueError(f"expected {count} {'row' if count == 1 else 'rows'}, got {len(rows)}")
        return [parse(model, row) for row in rows]
    except ValueError as wrong:
        raise InvalidResponse(str(wrong)) from wrong
