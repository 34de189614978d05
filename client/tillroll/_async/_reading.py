"""Reading: balances, registers, statements, the feed, and the rows of the views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from uuid import UUID

from tillroll._async._part import AsyncPart
from tillroll.errors import TransactionNotFound
from tillroll.models import (
    Account,
    Balance,
    Change,
    Check,
    Checkpoint,
    Entry,
    Receipt,
    RegisterLine,
    Statement,
    Transaction,
)

__all__ = ["AsyncReading"]


class AsyncReading(AsyncPart):
    """The part of a book that changes nothing."""

    async def get_balance(
        self,
        *,
        account_id: UUID | str,
        as_of: datetime | None = None,
        effective_on: date | None = None,
    ) -> Balance:
        """Return an account's balance: the present one, or a past one.

        Args:
            as_of: What had been booked by then; with its zone.
            effective_on: What had been booked so far with value dates up to this day.

        Raises:
            AccountNotFound: There is no such account for you.
            InvalidArgument: Both a moment and a day are given.
        """
        return await self._calls.read_one(Balance, "get_balance", **self._given(locals()))

    async def get_balances(
        self,
        *,
        account_ids: Sequence[UUID | str] | None = None,
        as_of: datetime | None = None,
        effective_on: date | None = None,
    ) -> Sequence[Balance]:
        """Return the balances of these accounts, or of all.

        Accounts that are not there for you are left out. The balances are of one moment where one
        answer holds them: up to 1,000, or the project's own cap.

        Args:
            as_of: What had been booked by then; with its zone.
            effective_on: What had been booked so far with value dates up to this day.

        Raises:
            InvalidArgument: Both a moment and a day are given.
        """
        arguments = self._given(locals())
        pages = self._calls.pages(Balance, "get_balances", ("account_id",), arguments=arguments)
        return [balance async for balance in pages]

    async def trial_balance(self, *, effective_on: date | None = None) -> Sequence[Balance]:
        """Return the balances of all accounts: they sum to zero in each currency.

        They are of one moment where one answer holds them: up to 1,000, or the project's own cap.

        Args:
            effective_on: What had been booked so far with value dates up to this day.
        """
        arguments = self._given(locals())
        pages = self._calls.pages(Balance, "trial_balance", ("account_id",), arguments=arguments)
        return [balance async for balance in pages]

    async def account_register(
        self, *, account_id: UUID | str, page_size: int = 100, before: str | None = None
    ) -> Sequence[RegisterLine]:
        """Return one page of an account's entries, newest first.

        Args:
            page_size: At most 1,000.
            before: The `cursor` of the last line of the page before.

        Raises:
            AccountNotFound: There is no such account for you.
            InvalidCursor: `before` is no cursor of this account.
        """
        return await self._calls.read(RegisterLine, "account_register", **self._given(locals()))

    async def iter_register(
        self, *, account_id: UUID | str, page_size: int = 1000
    ) -> AsyncIterator[RegisterLine]:
        """Read all of an account's entries, newest first, a page at a time."""
        before: str | None = None
        while True:
            lines = await self.account_register(
                account_id=account_id, page_size=page_size, before=before
            )
            if not lines:
                return
            for line in lines:
                yield line
            before = lines[-1].cursor

    async def statement(
        self, *, account_id: UUID | str, from_date: date, to_date: date
    ) -> Statement:
        """Return an account between two value dates, both inclusive.

        Raises:
            AccountNotFound: There is no such account for you.
            InvalidArgument: The dates are in the wrong order.
        """
        return await self._calls.read_one(Statement, "statement", **self._given(locals()))

    async def find_transaction(self, *, idempotency_key: str) -> Receipt | None:
        """Return the receipt of the posting with this key; None: there is none."""
        arguments = self._given(locals())
        try:
            return await self._calls.read_one(Receipt, "find_transaction", **arguments)
        except TransactionNotFound:
            return None

    async def changes_since(
        self, *, after: str | None = None, page_size: int = 100
    ) -> Sequence[Change]:
        """Return the next transactions of the feed, in an order that skips none.

        Args:
            after: The `cursor` of the last change that you have; None: from the beginning.
            page_size: At most 1,000.

        Raises:
            InvalidCursor: `after` is no cursor of this book.
        """
        return await self._calls.read(Change, "changes_since", **self._given(locals()))

    async def changes(
        self, *, after: str | None = None, page_size: int = 1000
    ) -> AsyncIterator[Change]:
        """Read the feed to its present end, a page at a time.

        Keep the `cursor` of the last change: given as `after`, it goes on from there later.
        """
        while True:
            found = await self.changes_since(after=after, page_size=page_size)
            if not found:
                return
            for change in found:
                yield change
            after = found[-1].cursor

    async def export_checkpoint(self) -> Checkpoint:
        """Return the heads of all chains and their Merkle root: keep it outside the database."""
        return await self._calls.read_one(Checkpoint, "export_checkpoint", book_id=self.id)

    async def verify_book(self) -> Sequence[Check]:
        """Check the whole book: sums, chains, balances against entries. All `ok`: it holds."""
        return await self._calls.read(Check, "verify_book", book_id=self.id)

    def accounts(
        self, *, code: str | None = None, external_id: str | None = None
    ) -> AsyncIterator[Account]:
        """Read the accounts with their balances, or those with a code or a reference."""
        equals = {"book_id": self.id, "code": code, "external_id": external_id}
        return self._calls.pages(Account, "accounts", ("id",), equals=equals)

    def transactions(self, *, external_id: str | None = None) -> AsyncIterator[Transaction]:
        """Read the transactions by id, so in order of time; or those with a reference."""
        equals = {"book_id": self.id, "external_id": external_id}
        return self._calls.pages(Transaction, "transactions", ("id",), equals=equals)

    def entries(
        self,
        *,
        account_id: UUID | str | None = None,
        transaction_id: UUID | str | None = None,
    ) -> AsyncIterator[Entry]:
        """Read the entries by account and time, or those of an account or a transaction."""
        equals = {
            "book_id": self.id,
            "account_id": account_id,
            "transaction_id": transaction_id,
        }
        key = ("account_id", "slot", "booked_at", "version")
        return self._calls.pages(Entry, "entries", key, equals=equals)
