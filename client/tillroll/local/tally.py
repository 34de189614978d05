"""The demo's own books: what was sent, what came back, and so what every account must hold.

Kept apart from the ledger on purpose: at the end both are compared.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from tillroll import AsyncBook
from tillroll.errors import InsufficientFunds
from tillroll.models import AccountId, Receipt, TransactionId

__all__ = ["Sent", "Tally"]


@dataclass(frozen=True)
class Sent:
    """One order to move money, under one key; `amount` in minor units."""

    key: str
    giver: AccountId
    taker: AccountId
    amount: int


@dataclass
class Tally:
    """Counts, times and balances, from the answers alone.

    Args:
        floors: The least that an account may hold, in minor units.
    """

    floors: dict[AccountId, int] = field(default_factory=dict)
    balances: Counter[AccountId] = field(default_factory=Counter)
    transactions: dict[TransactionId, Sent] = field(default_factory=dict)
    keys: dict[str, TransactionId] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    requests: int = 0
    replays: int = 0
    seconds: list[float] = field(default_factory=list)
    _first: set[str] = field(default_factory=set)
    _booked: set[TransactionId] = field(default_factory=set)

    def start_measuring(self) -> None:
        """Count requests, replays, refusals and times from here on; what was booked stays."""
        self.requests = self.replays = 0
        self.refused.clear()
        self.seconds.clear()

    async def send(
        self,
        book: AsyncBook,
        sent: Sent,
        *,
        effective_on: date | None = None,
        description: str | None = None,
    ) -> Receipt | InsufficientFunds:
        """Post through the API and note the answer; a refusal for lack of funds is an answer."""
        self.requests += 1
        begun = time.monotonic()
        try:
            answer = await book.transfer(
                from_account_id=sent.giver,
                to_account_id=sent.taker,
                amount=sent.amount,
                idempotency_key=sent.key,
                effective_on=effective_on,
                description=description,
            )
        except InsufficientFunds as refusal:
            self.seconds.append(time.monotonic() - begun)
            self.refused[sent.key] += 1
            return refusal
        self.seconds.append(time.monotonic() - begun)
        self.note(sent, answer)
        return answer

    def note(self, sent: Sent, receipt: Receipt) -> None:
        """Book an accepted order once, however often it was answered; note what is not right."""
        made = receipt.transaction_id
        if made is None:
            self.faults.append(f"{sent.key}: a receipt without a transaction")
            return
        if receipt.replayed:
            self.replays += 1
        elif sent.key in self._first:
            self.faults.append(f"{sent.key}: posted twice")
        else:
            self._first.add(sent.key)
        legs = {entry.account_id: entry.amount for entry in receipt.entries}
        if legs != {sent.giver: -sent.amount, sent.taker: sent.amount}:
            self.faults.append(f"{sent.key}: the receipt says {legs}")
        for entry in receipt.entries:
            floor = self.floors.get(entry.account_id)
            if floor is not None and (entry.balance_after is None or entry.balance_after < floor):
                self.faults.append(f"{sent.key}: {entry.balance_after} is below the floor {floor}")
        if self.keys.setdefault(sent.key, made) != made:
            self.faults.append(f"{sent.key}: two transactions, {self.keys[sent.key]} and {made}")
        known = self.transactions.setdefault(made, sent)
        if known != sent:
            self.faults.append(f"{made}: the answer to both {known.key} and {sent.key}")
        elif made not in self._booked:
            self._booked.add(made)
            self.balances[sent.giver] -= sent.amount
            self.balances[sent.taker] += sent.amount
