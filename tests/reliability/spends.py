"""Many at once spend money that is there once: exactly one of them gets it, in every way to spend.

A round funds an account with what one spender needs, and lets all of them loose on it at the same
moment. What the losers are told, what the account holds then, and what the book says of itself
must agree with one winner.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from threading import Barrier

from tests.reliability.clients import Client, HttpClient, Refusal, SqlClient, deadlocks
from tests.reliability.proof import Run
from tests.reliability.stage import Bank, gateway, open_bank, stage
from tests.world import Row
from tillroll.models import AccountId

SPENDERS = 8
LONG_ROUNDS, SHORT_ROUNDS, SHORT_HTTP_ROUNDS = 500, 10, 3
AGAIN = {"serialization_conflict", "40001"}
"""Who loses by these has not been told yet whether the money is there."""

Spend = Callable[[Client, "Fund"], object]


@dataclass
class Fund:
    """Money for one, where it is, and the holds that were put on it."""

    bank: Bank
    giver: AccountId
    taker: AccountId
    amount: int
    holds: list[str] = field(default_factory=list)

    @property
    def sides(self) -> Row:
        """Arguments of a transfer."""
        return {
            "book_id": self.bank.book_id,
            "from_account_id": self.giver,
            "to_account_id": self.taker,
            "amount": self.amount,
        }

    def lines(self, amount: int) -> Row:
        """An item of a batch."""
        return {
            "entries": [
                {"account_id": str(self.giver), "amount": -amount},
                {"account_id": str(self.taker), "amount": amount},
            ]
        }


def transfer(client: Client, fund: Fund) -> None:
    client.rows("transfer", **fund.sides)


def transfer_up_to(client: Client, fund: Fund) -> None:
    client.rows("transfer_up_to", **{**fund.sides, "amount": 3 * fund.amount})


def transfer_serializable(client: Client, fund: Fund) -> None:
    client.rows("transfer_serializable", **fund.sides)


def post_transaction(client: Client, fund: Fund) -> None:
    client.rows("post_transaction", book_id=fund.bank.book_id, **fund.lines(fund.amount))


def post_transactions(client: Client, fund: Fund) -> None:
    """Two halves, neither of which may be posted alone."""
    half = fund.amount // 2
    halves = [fund.lines(half), fund.lines(fund.amount - half)]
    client.rows("post_transactions", book_id=fund.bank.book_id, transactions=halves)


def post_item(client: Client, fund: Fund) -> None:
    """An item by itself: it is refused in its result."""
    (result,) = client.rows(
        "post_transactions",
        book_id=fund.bank.book_id,
        transactions=[fund.lines(fund.amount)],
        mode="per_item",
    )
    if result["error_code"]:
        raise Refusal(result["error_code"])


def create_hold(client: Client, fund: Fund) -> None:
    hold_id = str(uuid.uuid4())
    client.rows(
        "create_hold",
        book_id=fund.bank.book_id,
        account_id=fund.giver,
        to_account_id=fund.taker,
        amount=fund.amount,
        id=hold_id,
    )
    fund.holds.append(hold_id)


def capture_hold(client: Client, fund: Fund) -> None:
    (hold_id,) = fund.holds
    client.rows("capture_hold", book_id=fund.bank.book_id, hold_id=hold_id)


TOGETHER = (
    transfer,
    transfer_up_to,
    transfer_serializable,
    post_transactions,
    post_item,
    create_hold,
)
SPENDS: dict[str, Spend | None] = {
    "transfer": transfer,
    "transfer_up_to": transfer_up_to,
    "transfer_serializable": transfer_serializable,
    "post_transaction": post_transaction,
    "post_transactions": post_transactions,
    "post_transactions per item": post_item,
    "create_hold": create_hold,
    "capture_hold": capture_hold,
    "all of them at once": None,
}


def run(run: Run) -> None:
    """Rounds of each function and of all together, in SQL and over HTTP."""
    with ExitStack() as stack:
        place = stack.enter_context(stage(None if run.is_long else {"fsync": "off"}))
        bank = open_bank(place.database, accounts=2, funds=1)
        front = stack.enter_context(gateway(bank.database.dsn("authenticator"), pool=SPENDERS))
        pool = stack.enter_context(ThreadPoolExecutor(SPENDERS))
        clients: dict[str, Sequence[Client]] = {
            "SQL": [SqlClient(bank, stack) for _ in range(SPENDERS)],
            "HTTP": [HttpClient(bank, front.url, stack) for _ in range(SPENDERS)],
        }
        for way, spenders in clients.items():
            short = SHORT_ROUNDS if way == "SQL" else SHORT_HTTP_ROUNDS
            rounds = LONG_ROUNDS if run.is_long else short
            run.planned(f"{rounds} rounds of each way to spend, over {way}")
            race = Race(bank, spenders, pool)
            for name in SPENDS:
                run.happened(f"{rounds} rounds of {name} over {way}")
                for _ in range(rounds):
                    race.round(name, run.dice.randint(2, 1_000_000), run.dice)
            run.at_least(f"rounds of each way to spend over {way}", LONG_ROUNDS, rounds)
            run.none(f"rounds over {way} that went wrong", race.wrong)
            run.figure(f"spends that were repeated over {way}", race.repeated)
        run.none("broken checks of verify_book", bank.broken())
        run.none("deadlocks", deadlocks(bank))


@dataclass
class Race:
    """Spenders, and what went wrong between them.

    Attributes:
        repeated: Calls that lost by a conflict and were made again.
    """

    bank: Bank
    spenders: Sequence[Client]
    pool: ThreadPoolExecutor
    wrong: list[str] = field(default_factory=list)
    repeated: int = 0

    def round(self, name: str, amount: int, dice: Random) -> None:
        """Let all spend in one way, or each in her own, what is there for one."""
        fund = self._fund(amount)
        if name == "capture_hold":
            create_hold(self.spenders[0], fund)
        spends = [SPENDS[name] or dice.choice(TOGETHER) for _ in self.spenders]
        start = Barrier(len(spends))
        told = Counter(
            self.pool.map(
                lambda client, spend: self._spend(client, spend, fund, start),
                self.spenders,
                spends,
            )
        )
        loss = "hold_state" if name == "capture_hold" else "insufficient_funds"
        if told != {"won": 1, loss: len(spends) - 1}:
            self.wrong.append(f"{name}: {dict(told)}")
        left = self._balance(fund)["available"]
        if name != "capture_hold":
            for hold_id in fund.holds:
                self.spenders[0].rows("capture_hold", book_id=self.bank.book_id, hold_id=hold_id)
        after = self._balance(fund)
        if (left, after["posted"], after["held"]) != (0, 0, 0):
            self.wrong.append(f"{name}: {left} left, then {after}")

    def _spend(self, client: Client, spend: Spend, fund: Fund, start: Barrier) -> str:
        """What a spender is told in the end."""
        start.wait(60)
        while True:
            try:
                spend(client, fund)
            except Refusal as refused:
                if refused.code not in AGAIN:
                    return refused.code
                self.repeated += 1
            else:
                return "won"

    def _fund(self, amount: int) -> Fund:
        """Bring the account to this amount, with the book's own money."""
        giver, taker = self.bank.accounts
        fund = Fund(self.bank, giver, taker, amount)
        self.spenders[0].rows(
            "transfer",
            book_id=self.bank.book_id,
            from_account_id=self.bank.world,
            to_account_id=fund.giver,
            amount=amount - self._balance(fund)["posted"],
        )
        return fund

    def _balance(self, fund: Fund) -> Row:
        (row,) = self.spenders[0].rows(
            "get_balance", book_id=self.bank.book_id, account_id=fund.giver
        )
        return row
