"""What the parts of a book share: its id, its calls, how arguments are handed on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from tillroll._async._calls import AsyncCalls
from tillroll.models import BookId, Receipt
from tillroll.retry import uuid7

__all__ = ["AsyncPart"]

Model = TypeVar("Model")

_FLAGS = {"dry_run", "final"}
_DAYS = {"effective_on", "from_date", "to_date"}


class AsyncPart:
    """A book's id and its way to the ledger.

    Methods take the arguments of their functions, by the same names: they hand on their `locals()`
    before they have others.
    """

    def __init__(self, id: BookId, calls: AsyncCalls) -> None:
        self.id = id
        self._calls = calls

    async def _write(
        self,
        model: type[Model],
        function: str,
        arguments: Mapping[str, Any],
        *,
        key: object = None,
        repeatable: bool = True,
    ) -> Model:
        given = self._given(arguments)
        return await self._calls.write(model, function, key=key, repeatable=repeatable, **given)

    async def _post(self, function: str, arguments: Mapping[str, Any]) -> Receipt:
        given = self._given(arguments)
        if given["dry_run"]:
            return await self._calls.read_one(Receipt, function, **given)
        key = given.setdefault("idempotency_key", str(uuid7()))
        return await self._calls.write(Receipt, function, key=key, **given)

    def _given(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {"book_id": self.id}
        for name, value in arguments.items():
            _check(name, value)
            if name == "account_ids" and value is not None:
                value = [UUID(str(each)) for each in value]
            if name == "transactions":
                for each in value:
                    _check("idempotency_key", each.idempotency_key)
                    _check("effective_on", each.effective_on)
            if name != "self" and value is not None:
                given[name] = value
        return given


def _check(name: str, value: object) -> None:
    """Refuse what would be sent as something else than it was meant."""
    if name in _FLAGS and not isinstance(value, bool):
        # Text is true here and may be false to the server, which would post a dry run.
        raise TypeError(f"{name} is True or False, not {value!r}")
    if value is None:
        return
    if name == "idempotency_key" and not isinstance(value, str):
        raise TypeError(f"{name} is a text, not {value!r}")
    if isinstance(value, datetime):
        if name in _DAYS:
            raise TypeError(f"{name} is a day, not a moment: {value}")
        if value.tzinfo is None:
            raise ValueError(f"{name} needs a time zone: {value}")
