"""Managing accounts: opening, words, limits, states, joint floors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from tillroll._async._part import AsyncPart
from tillroll.models import Account, AccountGroup
from tillroll.retry import uuid7

__all__ = ["AsyncAccounts"]


class AsyncAccounts(AsyncPart):
    """The part of a book that manages accounts."""

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
        slots: int = 1,
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
            slots: Up to 64, for an account without limits that very many postings meet: as many go
                on at once. Its receipts then have no version and no balance.

        Raises:
            DuplicateCode: Another account of the book has the code.
            InvalidArgument: One of the texts, the type, the currency or the limits is not valid.
            IdempotencyMismatch: The id is in use, with other arguments.
        """
        id = uuid7() if id is None else id
        return await self._write(Account, "open_account", locals(), key=id)

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
        return await self._write(Account, "update_account", locals())

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
        return await self._write(Account, "freeze_account", locals())

    async def unfreeze_account(self, *, account_id: UUID | str) -> Account:
        """Let a frozen account give and receive again.

        Raises:
            AccountNotFound: There is no such account for you.
        """
        return await self._write(Account, "unfreeze_account", locals())

    async def close_account(
        self, *, account_id: UUID | str, sweep_to: UUID | str | None = None
    ) -> Account:
        """Close an account for ever.

        Args:
            sweep_to: The account that gets what is left; None: it must be empty.

        Raises:
            AccountNotFound: There is no such account for you.
            AccountNotEmpty: There is money in it, or some is held.
        """
        return await self._write(Account, "close_account", locals())

    async def set_account_group(
        self,
        *,
        name: str,
        account_ids: Sequence[UUID | str],
        min_total: int,
        group_id: UUID | str | None = None,
    ) -> AccountGroup:
        """Give accounts a joint floor, or change one.

        Args:
            min_total: What they must have together, posted less held, in minor units.
            group_id: The group to change, or your own id for a new one; else one is made for this
                call and its retries.

        Raises:
            AccountNotFound: One of the accounts is not there for you.
            CurrencyMismatch: They are not of one currency.
            GroupFloor: They have less.
        """
        group_id = uuid7() if group_id is None else group_id
        return await self._write(AccountGroup, "set_account_group", locals(), key=group_id)

    async def remove_account_group(self, *, group_id: UUID | str) -> AccountGroup:
        """Let the accounts of a group be without their joint floor.

        Raises:
            GroupNotFound: There is no such group.
            OutcomeUnknown: No answer came; it is not repeated, since that would find no group.
        """
        return await self._write(AccountGroup, "remove_account_group", locals(), repeatable=False)

    def groups(self) -> AsyncIterator[AccountGroup]:
        """Read the account groups."""
        return self._calls.pages(AccountGroup, "groups", ("id",), equals={"book_id": self.id})
