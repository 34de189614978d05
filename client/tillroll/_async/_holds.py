"""Holds: money set aside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from tillroll._async._part import AsyncPart
from tillroll.models import Hold
from tillroll.retry import uuid7

__all__ = ["AsyncHolds"]


class AsyncHolds(AsyncPart):
    """The part of a book that sets money aside; `capture_hold` posts it."""

    async def create_hold(
        self,
        *,
        account_id: UUID | str,
        to_account_id: UUID | str,
        amount: int,
        expires_at: datetime | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        id: UUID | str | None = None,
    ) -> Hold:
        """Set money aside: it is no longer available, and not yet posted.

        Args:
            amount: Minor units.
            expires_at: With its zone: then it can no longer be captured; None: it stays.
            id: Yours, to survive a process restart; else one is made for this call and its retries.

        Raises:
            InsufficientFunds: The account's available balance is below `amount`.
            IdempotencyMismatch: The id is in use, with other arguments.
        """
        id = uuid7() if id is None else id
        return await self._write(Hold, "create_hold", locals(), key=id)

    async def release_hold(self, *, hold_id: UUID | str) -> Hold:
        """Give back what is still held.

        Raises:
            HoldNotFound: There is no such hold for you.
            HoldState: It is no longer pending.
            OutcomeUnknown: No answer came; it is not repeated, since that would find it released.
        """
        return await self._write(Hold, "release_hold", locals(), repeatable=False)

    async def expire_holds(self) -> int:
        """Give back holds whose time is over, at most 1,000 a call; return how many.

        Where an answer was lost and the call repeated, those of the last attempt.
        """
        return await self._write(int, "expire_holds", locals())

    def holds(
        self, *, account_id: UUID | str | None = None, state: str | None = None
    ) -> AsyncIterator[Hold]:
        """Read the holds by id, so in order of time; or those of an account, or in a state.

        Args:
            state: pending, captured, released or expired.
        """
        equals = {"book_id": self.id, "account_id": account_id, "state": state}
        return self._calls.pages(Hold, "holds", ("id",), equals=equals)
