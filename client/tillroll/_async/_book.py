"""A book: its methods are named as the ledger's functions, and take their arguments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from uuid import UUID

from tillroll._async._accounts import AsyncAccounts
from tillroll._async._holds import AsyncHolds
from tillroll._async._posting import AsyncPosting
from tillroll._async._reading import AsyncReading
from tillroll.models import BookInfo, Holder, Member, Period

__all__ = ["AsyncBook"]


class AsyncBook(AsyncAccounts, AsyncHolds, AsyncPosting, AsyncReading):
    """A handle of one book.

    Every call may raise `BookNotFound`, `Forbidden` where your role is too low, `RequestFailed`,
    `Unreachable`, `Busy` when others held the locks for too long, and `OutcomeUnknown` (a write)
    or `NoAnswer` (a read). Writes are repeated where that is safe: all but `remove_member`,
    `remove_holder`, `remove_account_group`, `unlock_period` and `release_hold`.

    What posts also takes:

        idempotency_key: Yours, to survive a process restart; else one is made for this call and
            all its retries. A dry run uses none up.
        effective_on: The value date; None: today, by the server.
        external_id: Your reference.
        expect: Conditions that must hold right before the posting, under its locks.
        dry_run: Only say what would happen: the receipt has no `transaction_id`.

    and may raise `AccountNotFound`, `AccountFrozen`, `AccountClosed`, `CurrencyMismatch`,
    `LimitExceeded` where a receiver's balance would pass its ceiling, `GroupFloor`, `PeriodLocked`,
    `VersionConflict` where an expectation does not hold, `IdempotencyMismatch` where the key was
    used for another posting.

    Attributes:
        id: The book's id.
    """

    async def update_book(
        self, *, name: str | None = None, archived: bool | None = None
    ) -> BookInfo:
        """Rename the book, archive it or bring it back; what is None stays.

        Raises:
            InvalidArgument: The name is empty or too long.
        """
        return await self._write(BookInfo, "update_book", locals())

    async def set_member(self, *, user_id: UUID | str, role: str) -> Member:
        """Let a user into the book, or change her role.

        Args:
            role: owner, editor, viewer or holder: who sees and uses only the accounts that
                `set_holder` gives her.

        Raises:
            UserNotFound: There is no such user.
            LastOwner: The book would be left without an owner.
        """
        return await self._write(Member, "set_member", locals())

    async def remove_member(self, *, user_id: UUID | str) -> Member:
        """Take a user's role away.

        Raises:
            MemberNotFound: The user is no member.
            LastOwner: The book would be left without an owner.
            OutcomeUnknown: No answer came; it is not repeated, since that would find no member.
        """
        return await self._write(Member, "remove_member", locals(), repeatable=False)

    def members(self) -> AsyncIterator[Member]:
        """Read the members."""
        return self._calls.pages(
            Member, "members", ("book_id", "user_id"), equals={"book_id": self.id}
        )

    async def set_holder(
        self, *, account_id: UUID | str, user_id: UUID | str, access: str
    ) -> Holder:
        """Let a user see an account, or also spend from it; a stranger becomes a holder.

        Args:
            access: view or spend.

        Raises:
            AccountNotFound: There is no such account.
            UserNotFound: There is no such user.
            InvalidArgument: She is a member with another role, who sees all accounts.
        """
        return await self._write(Holder, "set_holder", locals())

    async def remove_holder(self, *, account_id: UUID | str, user_id: UUID | str) -> Holder:
        """Take a user's access to an account away; with the last, her membership ends.

        Raises:
            MemberNotFound: She does not hold the account.
            OutcomeUnknown: No answer came; it is not repeated, since that would find no holder.
        """
        return await self._write(Holder, "remove_holder", locals(), repeatable=False)

    def holders(self, *, account_id: UUID | str | None = None) -> AsyncIterator[Holder]:
        """Read who holds which account, or who holds this one."""
        equals = {"book_id": self.id, "account_id": account_id}
        return self._calls.pages(Holder, "holders", ("account_id", "user_id"), equals=equals)

    async def lock_period(self, *, from_date: date, to_date: date) -> Period:
        """Let nothing be booked with a value date between two days, both included.

        Raises:
            InvalidArgument: The dates are in the wrong order.
        """
        return await self._write(Period, "lock_period", locals())

    async def unlock_period(self, *, from_date: date, to_date: date) -> Period:
        """Open a locked period again, named by the same two days.

        Raises:
            InvalidArgument: It is not locked.
            OutcomeUnknown: No answer came; it is not repeated, since that would find no lock.
        """
        return await self._write(Period, "unlock_period", locals(), repeatable=False)

    def periods(self) -> AsyncIterator[Period]:
        """Read the locked periods, by their first day."""
        key = ("from_date", "to_date")
        return self._calls.pages(Period, "periods", key, equals={"book_id": self.id})
