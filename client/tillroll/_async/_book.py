"""A book: its methods are named as the ledger's functions, and take their arguments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from tillroll._async._calls import AsyncCalls
from tillroll.errors import TransactionNotFound
from tillroll.models import (
    Account,
    Balance,
    BookId,
    BookInfo,
    Check,
    Entry,
    Member,
    Receipt,
    RegisterLine,
    Statement,
    Transaction,
)
from tillroll.retry import uuid7

__all__ = ["AsyncBook"]


class AsyncBook:
    """A handle of one book.

    Every call may raise `BookNotFound`, `Forbidden` where your role is too low, `RequestFailed`,
    `Unreachable`, `Busy` when others held the locks for too long, and `OutcomeUnknown` (a write)
    or `NoAnswer` (a read). All writes but `remove_member` are safe to repeat, and are repeated.

    Attributes:
        id: The book's id.
    """

    def __init__(self, id: BookId, calls: AsyncCalls) -> None:
        self.id = id
        self._calls = calls

    async def update_book(
        self, *, name: str | None = None, archived: bool | None = None
    ) -> BookInfo:
        """Rename the book, archive it or bring it back; what is None stays.

        Raises:
            InvalidArgument: The name is empty or too long.
        """
        return await self._calls.write(
            BookInfo, "update_book", **self._given(name=name, archived=archived)
        )

    async def set_member(self, *, user_id: UUID | str, role: str) -> Member:
        """Let a user into the book, or change her role.

        Args:
            role: owner, editor or viewer.

        Raises:
            UserNotFound: There is no such user.
            LastOwner: The book would be left without an owner.
        """
        return await self._calls.write(
            Member, "set_member", book_id=self.id, user_id=user_id, role=role
        )

    async def remove_member(self, *, user_id: UUID | str) -> Member:
        """Take a user's role away.

        Raises:
            MemberNotFound: The user is no member.
            LastOwner: The book would be left without an owner.
            OutcomeUnknown: No answer came; it is not repeated, since that would find no member.
        """
        return await self._calls.write(
            Member, "remove_member", repeatable=False, book_id=self.id, user_id=user_id
        )

    async def open_account(
        self,
        *,
        name: str,
        type: str,
        currency: str,
        code: str | None = None,
        min_balance: int | None = None,
        max_balance: int | None = None,
        payable: bool = False,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        id: UUID | str | None = None,
    ) -> Account:
        """Open an account.

        Args:
            type: asset, liability, income, expense or equity.
            currency: A code such as EUR; fixed for ever.
            code: A path such as `assets:bank:checking`, unique in the book.
            min_balance: The floor in minor units; None: 0 for an asset, else no floor. For an asset
                without a floor call `set_balance_limits` afterwards.
            max_balance: The ceiling in minor units; None: no ceiling.
            payable: Those who hold accounts in the book may pay into it.
            external_id: Your reference.
            id: Yours, to survive a process restart; else one is made for this call and its retries.

        Raises:
            DuplicateCode: Another account of the book has the code.
            InvalidArgument: One of the texts, the type, the currency or the limits is not valid.
            IdempotencyMismatch: The id is in use, with other arguments.
        """
        id = uuid7() if id is None else id
        return await self._calls.write(
            Account,
            "open_account",
            key=id,
            **self._given(
                name=name,
                type=type,
                currency=currency,
                code=code,
                min_balance=min_balance,
                max_balance=max_balance,
                payable=payable or None,
                external_id=external_id,
                metadata=metadata,
                id=id,
            ),
        )

    async def update_account(
        self,
        *,
        account_id: UUID | str,
        name: str | None = None,
        code: str | None = None,
        payable: bool | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Account:
        """Change an account's words; what is None stays.

        Raises:
            AccountNotFound: There is no such account for you.
            DuplicateCode: Another account of the book has the code.
        """
        return await self._calls.write(
            Account,
            "update_account",
            **self._given(
                account_id=account_id,
                name=name,
                code=code,
                payable=payable,
                external_id=external_id,
                metadata=metadata,
            ),
        )

    async def set_balance_limits(
        self, *, account_id: UUID | str, min_balance: int | None, max_balance: int | None
    ) -> Account:
        """Set an account's floor and ceiling.

        Args:
            min_balance: Minor units; None: no floor.
            max_balance: Minor units; None: no ceiling.

        Raises:
            AccountNotFound: There is no such account for you.
            InvalidArgument: The floor is above the ceiling.
            InsufficientFunds: The balance is below the floor.
            LimitExceeded: The balance is above the ceiling.
        """
        return await self._calls.write(
            Account,
            "set_balance_limits",
            book_id=self.id,
            account_id=account_id,
            min_balance=min_balance,
            max_balance=max_balance,
        )

    async def freeze_account(self, *, account_id: UUID | str) -> Account:
        """Let an account neither give nor receive.

        Raises:
            AccountNotFound: There is no such account for you.
        """
        return await self._calls.write(
            Account, "freeze_account", book_id=self.id, account_id=account_id
        )

    async def unfreeze_account(self, *, account_id: UUID | str) -> Account:
        """Let a frozen account give and receive again.

        Raises:
            AccountNotFound: There is no such account for you.
        """
        return await self._calls.write(
            Account, "unfreeze_account", book_id=self.id, account_id=account_id
        )

    async def transfer(
        self,
        *,
        from_account_id: UUID | str,
        to_account_id: UUID | str,
        amount: int,
        idempotency_key: str | None = None,
        effective_on: date | None = None,
        description: str | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Move money from one account to another.

        Args:
            amount: Minor units of the accounts' currency: 1234 is 12.34 USD.
            idempotency_key: Yours, to survive a process restart; else one is made for this call and
                all its retries.
            effective_on: The value date; None: today, by the server.
            external_id: Your reference.

        Raises:
            InsufficientFunds: The giver's available balance is below `amount`.
            LimitExceeded: The receiver's balance would pass its ceiling.
            AccountNotFound: One of the accounts is not in this book, or not visible to you.
            AccountFrozen: One of the accounts is frozen.
            CurrencyMismatch: The accounts are not of one currency.
            SameAccount: Both are the same.
            IdempotencyMismatch: The key was used for another transfer.
            OutcomeUnknown: No answer came, and retrying with the key did not settle it.
        """
        key = str(uuid7()) if idempotency_key is None else idempotency_key
        return await self._calls.write(
            Receipt,
            "transfer",
            key=key,
            **self._given(
                from_account_id=from_account_id,
                to_account_id=to_account_id,
                amount=amount,
                idempotency_key=key,
                effective_on=effective_on,
                description=description,
                external_id=external_id,
                metadata=metadata,
            ),
        )

    async def get_balance(self, *, account_id: UUID | str) -> Balance:
        """Return an account's present balance.

        Raises:
            AccountNotFound: There is no such account for you.
        """
        return await self._calls.read_one(
            Balance, "get_balance", book_id=self.id, account_id=account_id
        )

    async def get_balances(
        self, *, account_ids: Sequence[UUID | str] | None = None
    ) -> Sequence[Balance]:
        """Return the present balances of these accounts, or of all.

        Accounts that are not there for you are left out. The balances are of one moment where one
        answer holds them: up to 1,000, or the project's own cap.
        """
        arguments: dict[str, Any] = {"book_id": self.id}
        if account_ids is not None:
            arguments["account_ids"] = [UUID(str(each)) for each in account_ids]
        pages = self._calls.pages(Balance, "get_balances", ("account_id",), arguments=arguments)
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
        arguments = self._given(account_id=account_id, page_size=page_size, before=before)
        return await self._calls.read(RegisterLine, "account_register", **arguments)

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
        return await self._calls.read_one(
            Statement,
            "statement",
            book_id=self.id,
            account_id=account_id,
            from_date=from_date,
            to_date=to_date,
        )

    async def find_transaction(self, *, idempotency_key: str) -> Receipt | None:
        """Return the receipt of the posting with this key; None: there is none."""
        try:
            return await self._calls.read_one(
                Receipt, "find_transaction", book_id=self.id, idempotency_key=idempotency_key
            )
        except TransactionNotFound:
            return None

    async def verify_book(self) -> Sequence[Check]:
        """Check the whole book: sums, chains, balances against entries. All `ok`: it holds."""
        return await self._calls.read(Check, "verify_book", book_id=self.id)

    def members(self) -> AsyncIterator[Member]:
        """Read the members."""
        return self._calls.pages(
            Member, "members", ("book_id", "user_id"), equals={"book_id": self.id}
        )

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
        """Read the entries by account and version, or those of an account or a transaction."""
        equals = {
            "book_id": self.id,
            "account_id": account_id,
            "transaction_id": transaction_id,
        }
        key = ("account_id", "slot", "version")
        return self._calls.pages(Entry, "entries", key, equals=equals)

    def _given(self, **arguments: Any) -> dict[str, Any]:
        return {
            "book_id": self.id,
            **{name: value for name, value in arguments.items() if value is not None},
        }
