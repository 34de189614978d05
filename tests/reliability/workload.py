"""Customers who pay each other all the time, and the books that are kept of what they were told.

The books are kept apart from the ledger, from the answers alone. When the faults are over, every
order whose outcome is open is sent once more under its key, and then both have to agree.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.reliability.proof import Run
from tests.reliability.stage import Bank
from tests.waiting import until
from tillroll import AsyncBook
from tillroll.errors import InsufficientFunds, TillrollError
from tillroll.local.tally import Sent, Tally
from tillroll.models import Receipt, TransactionId


@dataclass
class Workload:
    """Random transfers of a bank's customers, each under a key of its own.

    Attributes:
        pause: Seconds that a customer waits after a failure, as people do.
        open: Orders of which nobody knows what became of them.
        told: How the last sending of an open order ended.
        contradictions: Answers that do not go with an earlier one to the same order.
        failed: How often which error came, other than a refusal for lack of funds.
        served: Orders that were answered, by the number of the client.
    """

    bank: Bank
    seed: str
    pause: float = 0.1
    tally: Tally = field(default_factory=Tally)
    orders: dict[str, Sent] = field(default_factory=dict)
    open: dict[str, Sent] = field(default_factory=dict)
    told: dict[str, TillrollError] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    served: Counter[int] = field(default_factory=Counter)
    contradictions: list[str] = field(default_factory=list)
    _receipts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for account in self.bank.accounts:
            self.tally.floors[account] = 0

    def order(self, dice: random.Random) -> Sent:
        """Draw the next order."""
        giver, taker = dice.sample(self.bank.accounts, 2)
        amount = dice.randint(1, max(1, self.bank.funds // 4))
        sent = Sent(f"{self.seed}-{len(self.orders):08}", giver, taker, amount)
        self.orders[sent.key] = sent
        return sent

    async def send(self, book: AsyncBook, sent: Sent) -> None:
        """Send an order once; what is not answered stays open."""
        try:
            answer = await self.tally.send(book, sent)
        except TillrollError as error:
            name = getattr(error, "code", None) or type(error).__name__
            self.failed[name] = self.failed.get(name, 0) + 1
            self.open[sent.key] = sent
            # Kept for thousands of orders, the frames of each would be gigabytes.
            error.__traceback__ = error.__cause__ = error.__context__ = None
            self.told[sent.key] = error
            return
        self.open.pop(sent.key, None)
        self.told.pop(sent.key, None)
        self._compare(sent, answer)
        # The client says by a note that an attempt before had no answer: that one may still be on
        # its way, and find the funds which this one did not.
        if isinstance(answer, InsufficientFunds) and getattr(answer, "__notes__", None):
            self.open[sent.key] = sent
            self.told[sent.key] = answer

    def _compare(self, sent: Sent, answer: Receipt | InsufficientFunds) -> None:
        """Hold an answer against the receipt that was given before; of that, a hash is kept."""
        if isinstance(answer, InsufficientFunds):
            if sent.key in self.tally.keys:
                self.contradictions.append(f"{sent.key}: refused after it was posted")
            return
        said = hash(replace(answer, replayed=True))
        if self._receipts.setdefault(sent.key, said) != said:
            self.contradictions.append(f"{sent.key}: another receipt, now {answer}")

    async def run(self, books: Sequence[AsyncBook], until: asyncio.Event, most: int) -> None:
        """Let each client send one order after the other until told, or until there are `most`."""

        async def client(number: int) -> None:
            dice = random.Random(f"{self.seed} {number}")
            while not until.is_set() and len(self.orders) < most:
                sent = self.order(dice)
                await self.send(books[number], sent)
                if sent.key in self.open:
                    await asyncio.sleep(self.pause)
                else:
                    self.served[number] += 1

        async with asyncio.TaskGroup() as group:
            for number in range(len(books)):
                group.create_task(client(number))

    async def settle(self, book: AsyncBook, rounds: int = 20) -> None:
        """Send every open order again under its key until all are answered.

        An attempt without an answer may still be on its way while the next one is refused, and post
        the order then: what was refused is asked about again once nothing is executed any more.
        """
        left = list(self.open.values())
        for _ in range(rounds):
            await self._send_all(book, list(self.open.values()))
            if not self.open:
                break
        await asyncio.to_thread(until, self.bank.is_idle)
        await self._send_all(book, [sent for sent in left if sent.key not in self.tally.keys])

    async def _send_all(self, book: AsyncBook, orders: Sequence[Sent]) -> None:
        """Send one after the other; what was posted before that must not be refused."""
        there = self.stored()
        for sent in orders:
            refusals = self.tally.refused[sent.key]
            await self.send(book, sent)
            if sent.key in there and self.tally.refused[sent.key] > refusals:
                self.contradictions.append(f"{sent.key}: refused, and it was there")

    def stored(self) -> dict[str, TransactionId]:
        """The transactions that the ledger holds, by key."""
        with self.bank.database.connect() as owner:
            return dict(
                owner.execute(
                    "select idempotency_key, id from ledger_private.transactions"
                    " where book_id = %s and idempotency_key is not null",
                    [self.bank.book_id],
                ).fetchall()
            )

    def lost(self) -> list[str]:
        """Keys whose transaction was acknowledged by now and is not there; while orders run."""
        told = dict(self.tally.keys)
        stored = self.stored()
        return sorted(key for key, made in told.items() if stored.get(key) != made)

    def judge(self, run: Run) -> None:
        """Compare what the customers were told with what the ledger holds."""
        ours = dict(self.tally.keys)
        ledger = self.stored()
        run.figure("orders", len(self.orders))
        run.figure("posted", len(ledger))
        run.figure("failures", sum(self.failed.values()))
        run.figure("replayed", self.tally.replays)
        # A ledger that refuses everything loses nothing, either.
        run.check(
            "orders that were posted",
            bar="≥ half",
            measured=f"{len(ledger):,} of {len(self.orders):,}",
            ok=2 * len(ledger) >= len(self.orders),
        )
        run.none("acknowledged but lost", sorted(ours.keys() - ledger.keys()))
        run.none("posted but never answered", sorted(ledger.keys() - ours.keys()))
        run.none("another transaction than was said", [k for k in ours if ledger.get(k) != ours[k]])
        run.none("doubled or half applied", self.tally.faults)
        run.none("answers that contradict each other", self.contradictions)
        run.none("still open", sorted(self.open))
        run.none("wrong balances", self.bank.wrong(self.tally.balances))
        balances = self.bank.balances()
        run.none("negative balances", [a for a in self.bank.accounts if balances[a] < 0])
        run.none("broken checks of verify_book", self.bank.broken())
