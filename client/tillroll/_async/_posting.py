"""Posting: what moves money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from tillroll._async._part import AsyncPart
from tillroll.models import EntryInput, Expectation, PostingResult, Receipt, TransactionInput
from tillroll.retry import uuid7

__all__ = ["AsyncPosting"]


class AsyncPosting(AsyncPart):
    """The part of a book that posts."""

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
        expect: Sequence[Expectation] | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Move money from one account to another.

        Args:
            amount: Minor units of the accounts' currency: 1234 is 12.34 USD.

        Raises:
            InsufficientFunds: The giver's available balance is below `amount`.
            SameAccount: Both are the same.
        """
        return await self._post("transfer", locals())

    async def transfer_up_to(
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
        expect: Sequence[Expectation] | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Move what is available, up to an amount; the receipt says how much that was.

        Args:
            amount: Minor units at most.

        Raises:
            InsufficientFunds: Nothing is available.
            SameAccount: Both are the same.
        """
        return await self._post("transfer_up_to", locals())

    async def transfer_serializable(
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
        expect: Sequence[Expectation] | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Move money from one account to another, optimistically: conflicts are tried again.

        Args:
            amount: Minor units of the accounts' currency.

        Raises:
            InsufficientFunds: The giver's available balance is below `amount`.
            SameAccount: Both are the same.
            SerializationConflict: Others were in the way at each attempt.
            WrongIsolation: The connection is in a transaction that is not serializable.
        """
        return await self._post("transfer_serializable", locals())

    async def post_transaction(
        self,
        *,
        entries: Sequence[EntryInput],
        idempotency_key: str | None = None,
        effective_on: date | None = None,
        description: str | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expect: Sequence[Expectation] | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Post a transaction of several entries.

        Args:
            entries: At most 1,000, which sum to zero in each currency.

        Raises:
            InsufficientFunds: An account's available balance is below what is taken from it.
            Unbalanced: The entries do not sum to zero.
        """
        return await self._post("post_transaction", locals())

    async def post_transactions(
        self,
        *,
        transactions: Sequence[TransactionInput],
        mode: str = "atomic",
        expect: Sequence[Expectation] | None = None,
        dry_run: bool = False,
    ) -> Sequence[PostingResult]:
        """Post many transactions, in their order, in one call.

        Items without a key get one each, made once for this call and its retries.

        Args:
            transactions: At most 10,000, over HTTP at most 1,000.
            mode: `atomic`: all or none, and a refusal is raised. `per_item`: each that can be
                posted is; look at the `error` of each result.

        Raises:
            ValueError: More items than an answer surely holds.
            OutcomeUnknown: No answer came; its `keys` are those of the items.
        """
        arguments = self._given(locals())
        most = self._calls.transport.most_rows
        if most is not None and len(transactions) > most:
            raise ValueError(f"{len(transactions)} items: over HTTP a batch has at most {most}")
        if dry_run:
            return await self._calls.read(
                PostingResult, "post_transactions", rows=len(transactions), **arguments
            )
        keys = tuple(
            str(uuid7()) if each.idempotency_key is None else each.idempotency_key
            for each in transactions
        )
        arguments["transactions"] = [
            replace(each, idempotency_key=key) for each, key in zip(transactions, keys, strict=True)
        ]
        return await self._calls.write_rows(
            PostingResult, "post_transactions", rows=len(transactions), keys=keys, **arguments
        )

    async def exchange(
        self,
        *,
        from_account_id: UUID | str,
        to_account_id: UUID | str,
        sell_amount: int,
        buy_amount: int,
        idempotency_key: str | None = None,
        effective_on: date | None = None,
        description: str | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expect: Sequence[Expectation] | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Change money of one currency into another, through the currencies' conversion accounts.

        Args:
            sell_amount: Minor units of the giver's currency.
            buy_amount: Minor units of the receiver's; see `money.exchange_amount`.

        Raises:
            InsufficientFunds: The giver's available balance is below `sell_amount`.
            InvalidArgument: The accounts are of one currency: that is a transfer.
        """
        return await self._post("exchange", locals())

    async def reverse_transaction(
        self,
        *,
        transaction_id: UUID | str,
        amount: int | None = None,
        idempotency_key: str | None = None,
        effective_on: date | None = None,
        description: str | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expect: Sequence[Expectation] | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Post the opposite of a transaction, or of a part of it.

        Args:
            amount: Minor units, of a transaction of two entries; None: what is left of it.

        Raises:
            TransactionNotFound: There is no such transaction for you.
            AlreadyReversed: Less than `amount` is left of it.
        """
        return await self._post("reverse_transaction", locals())

    async def capture_hold(
        self,
        *,
        hold_id: UUID | str,
        amount: int | None = None,
        final: bool = True,
        idempotency_key: str | None = None,
        effective_on: date | None = None,
        description: str | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expect: Sequence[Expectation] | None = None,
        dry_run: bool = False,
    ) -> Receipt:
        """Post what was held, or a part of it.

        Args:
            amount: Minor units; None: all that is left.
            final: Give the rest back; False: it stays held for another capture.

        Raises:
            HoldNotFound: There is no such hold for you.
            HoldState: It is no longer pending.
            HoldExpired: Its time is over.
        """
        return await self._post("capture_hold", locals())
