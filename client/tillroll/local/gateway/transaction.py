"""One request's transaction: the statements, in PostgREST's order, and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .errors import ApiError, connection_lost, from_postgres, sqlstate_of
from .pool import Outcome, Pool, Statement
from .query import literal, quote

_LEVELS = {"serializable", "repeatable read", "read committed", "read uncommitted"}
_ABORTED = {"40001", "40P01"}
_COMMIT = Statement(b"COMMIT", prepare_as="")
_ROLLBACK = Statement(b"ROLLBACK", prepare_as="")


class Answer(NamedTuple):
    """The row of the main statement."""

    total: int | None
    page: int
    body: bytes
    headers: bytes | None
    status: bytes | None


@dataclass(slots=True)
class Transaction:
    """What one request executes.

    Args:
        isolation: The level of the function or role; None: read committed.
        read_only: Whether writes are refused.
        settings: Names and values for `set_config`, in order.
        pre_request: `schema.function`, called before the main statement.
        main: The main statement.
        one_row: Whether any other number of rows is an error that undoes everything.
        authenticated: Whether the role is another than the anonymous one.
    """

    isolation: str | None
    read_only: bool
    settings: tuple[tuple[str, str | bytes], ...]
    pre_request: str | None
    main: Statement
    one_row: bool
    authenticated: bool

    def statements(self) -> list[Statement]:
        """Return everything up to the main statement."""
        statements = [
            Statement(_begin(self.isolation, self.read_only), prepare_as=""),
            Statement(
                _set_config(tuple(name for name, _ in self.settings)),
                [_encoded(value) for _, value in self.settings],
                prepare_as="",
            ),
        ]
        if self.pre_request:
            statements.append(Statement(_pre_request(self.pre_request), prepare_as=""))
        statements.append(self.main)
        return statements

    async def run(self, pool: Pool, *, retry_aborted: bool) -> Answer:
        """Execute it on a connection of `pool`.

        Raises:
            ApiError: It failed, and nothing of it remains, except where PGRST001 says otherwise.
        """
        statements = self.statements()
        if not self.one_row:
            statements.append(_COMMIT)
        async with pool.wire() as wire:
            while True:
                outcome = await wire.run(statements)
                if outcome.error is None and self.one_row:
                    answer = _answer(outcome, -1)
                    if answer.page != 1:
                        await wire.run([_ROLLBACK])
                        raise _not_one(answer.page)
                    outcome = Outcome(outcome.results, (await wire.run([_COMMIT])).error)
                if outcome.error is None:
                    return _answer(outcome, -1 if self.one_row else -2)
                failure = from_postgres(outcome.error, self.authenticated)
                if wire.in_transaction:
                    await wire.run([_ROLLBACK])
                if not (retry_aborted and sqlstate_of(outcome.error) in _ABORTED):
                    raise failure


def _encoded(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode(errors="replace")


def _answer(outcome: Outcome, index: int) -> Answer:
    row = outcome.results[index]
    total, page, body = (row.get_value(0, column) for column in range(3))
    if page is None or body is None:
        raise connection_lost()
    headers, status = row.get_value(0, 3), row.get_value(0, 4)
    return Answer(int(total) if total else None, int(page), body, headers, status)


def _not_one(rows: int) -> ApiError:
    message = "The result is not exactly one row, as a single object needs."
    return ApiError(406, "PGRST116", message, details=f"The result contains {rows} rows")


@lru_cache(maxsize=16)
def _begin(isolation: str | None, read_only: bool) -> bytes:
    level = isolation if isolation in _LEVELS else "read committed"
    mode = "READ ONLY" if read_only else "READ WRITE"
    return f"BEGIN ISOLATION LEVEL {level.upper()} {mode}".encode()


@lru_cache(maxsize=256)
def _set_config(names: tuple[str, ...]) -> bytes:
    calls = (f"set_config({literal(name)}, ${n}, true)" for n, name in enumerate(names, 1))
    return f"select {', '.join(calls)}".encode()


@lru_cache(maxsize=16)
def _pre_request(name: str) -> bytes:
    return f"select {'.'.join(quote(part) for part in name.split('.', 1))}()".encode()
