"""Transfers as appends: every account is a list, and the checker after Adya finds no cycle.

The n-th transfer moves n minor units. So an account's register is a list of what was appended to
it, −n where the money left and n where it came in, and each is in it once; a reversal appends the
same with the signs changed. A transfer appends to both lists in one transaction, a batch to many.
Readers see several registers in one snapshot, or one through account_register. From what they saw
follows who must have come before whom, real time included; a cycle would be an anomaly.

Registers grow with every transfer, so a history is made of rounds, each over accounts of its own.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count

import httpx
import psycopg

from tests.reliability import adya
from tests.reliability.clients import Client, HttpClient, Refusal, SqlClient, deadlocks
from tests.reliability.histories import (
    Append,
    Denied,
    Micros,
    Read,
    Recorder,
    Unknown,
    edn,
    transactions,
)
from tests.reliability.proof import Run
from tests.reliability.stage import Bank, gateway, open_bank, stage
from tests.world import Row
from tillroll.models import AccountId

CLIENTS = 8
PAGE = 1000  # the most lines that account_register returns
LONG = 100_000

Act = Callable[[], list[Row]]
"""Makes a call; returns its receipts."""


@dataclass(frozen=True)
class Plan:
    """A round: how many accounts, and how many transactions of all clients together."""

    way: str
    accounts: int
    transactions: int


SHORT_PLANS = (
    *(Plan("SQL", 2, 800), Plan("SQL", 8, 1200), Plan("SQL", 1000, 2000)),
    *(Plan("HTTP", 2, 80), Plan("HTTP", 8, 160)),
)
LONG_PLANS = (
    *[Plan("SQL", 2, 800), Plan("SQL", 8, 2400), Plan("SQL", 1000, 4800)] * 12,
    *[Plan("HTTP", 2, 400), Plan("HTTP", 8, 800), Plan("HTTP", 1000, 1200)] * 5,
)


def run(run: Run) -> None:
    """Round after round, each checked by itself."""
    plans = LONG_PLANS if run.is_long else SHORT_PLANS
    told: Counter[str] = Counter()
    anomalies: list[str] = []
    misplaced: list[str] = []
    refused: Counter[str] = Counter()
    with ExitStack() as stack:
        place = stack.enter_context(stage(None if run.is_long else {"fsync": "off"}))
        bank = open_bank(place.database, accounts=0, funds=1)
        front = stack.enter_context(gateway(bank.database.dsn("authenticator"), pool=CLIENTS))
        clients: dict[str, Sequence[Client]] = {
            "SQL": [SqlClient(bank, stack) for _ in range(CLIENTS)],
            "HTTP": [HttpClient(bank, front.url, stack) for _ in range(CLIENTS)],
        }
        for number, plan in enumerate(plans, 1):
            seed = f"{run.dice.getrandbits(64):x}"
            run.planned(f"round {number}: {plan}, seed {seed}")
            round_ = Round(bank, clients[plan.way], open_lists(bank, plan.accounts), seed)
            round_.play(plan.transactions)
            found = round_.anomalies()
            told.update(line.type for line in round_.recorder.operations)
            anomalies += [f"round {number}: {anomaly.kind}: {anomaly.what}" for anomaly in found]
            misplaced += round_.misplaced()
            refused += round_.refused
            run.happened(f"round {number}: {len(found)} anomalies")
            if found or number <= len(SHORT_PLANS):
                path = run.folder / f"appends-{number:02}.edn"
                path.write_text("".join(f"{line}\n" for line in edn(round_.recorder.operations)))
        run.figure("of unknown outcome", told["info"])
        run.at_least("transactions that were checked", LONG, told["ok"])
        run.none("anomalies", anomalies)
        run.none("refused, though nothing stands against it", dict(refused))
        run.none("receipts that name another place than the register", misplaced)
        run.none("broken checks of verify_book", bank.broken())
        run.none("deadlocks", deadlocks(bank))


def open_lists(bank: Bank, number: int) -> list[AccountId]:
    """Open accounts without floors: no transfer between them is refused."""
    made = [AccountId(uuid.uuid4()) for _ in range(number)]
    with bank.database.connect() as owner:
        owner.execute(
            "select ledger.open_account(%s, 'list', 'equity', 'EUR', id => id)"
            " from unnest(%s::uuid[]) as id",
            [bank.book_id, made],
        )
    return made


@dataclass
class Round:
    """Clients at work on accounts of their own, recorded.

    Attributes:
        receipts: Their entries: account, amount, version and balance after.
        refused: How often which code came: no account has a floor, and nothing else is amiss.
    """

    bank: Bank
    clients: Sequence[Client]
    accounts: list[AccountId]
    seed: str
    receipts: list[Row] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.recorder = Recorder(len(self.clients))
        self.keys = {account: key for key, account in enumerate(self.accounts)}
        self._numbers = count(1)

    def play(self, size: int) -> None:
        """Let the clients make so many transactions; then one of them reads everything."""

        def work(number: int) -> None:
            worker = Worker(self, number, random.Random(f"{self.seed} {number}"))
            for _ in range(size // len(self.clients)):
                worker.step()

        with ThreadPoolExecutor(len(self.clients)) as pool:
            list(pool.map(work, range(len(self.clients))))
        reader = Worker(self, 0, random.Random(self.seed))
        for start in range(0, len(self.accounts), 100):
            reader.read(self.accounts[start : start + 100])

    def anomalies(self) -> list[adya.Anomaly]:
        """What the history shows that no order of the transactions explains."""
        return adya.check(transactions(self.recorder.operations))

    def misplaced(self) -> list[str]:
        """Entries of receipts that the registers do not have in that place."""
        with ExitStack() as stack:
            rows = SqlClient(self.bank, stack).entries(self.accounts)
        stored = {(row["account_id"], row["version"]): row for row in rows}
        wrong = []
        for entry in self.receipts:
            row = stored.get((AccountId(uuid.UUID(entry["account_id"])), entry["version"]), {})
            if any(row.get(name) != entry[name] for name in ("amount", "balance_after")):
                wrong.append(f"{entry} is {row}")
        return wrong

    def number(self) -> int:
        """The next number, which is the amount of one transfer."""
        return next(self._numbers)


@dataclass
class Worker:
    """One client, and what she may yet reverse."""

    round: Round
    client: int
    dice: random.Random
    _posted: list[tuple[str, Micros]] = field(default_factory=list)

    def step(self) -> None:
        """Make one transaction, drawn by chance."""
        accounts = self.round.accounts
        kind = self.dice.choices(
            (self._transfer, self._batch, self._capture, self._reverse, self._read, self._register),
            (50, 8, 6, 6, 20, 10),
        )[0]
        kind(*self.dice.sample(accounts, 2))

    def read(self, accounts: Sequence[AccountId]) -> None:
        """See several registers in one snapshot."""
        keys = self.round.keys

        def act() -> Micros:
            seen: dict[int, list[int]] = {keys[account]: [] for account in accounts}
            for row in self._call.entries(accounts):
                seen[keys[row["account_id"]]].append(row["amount"])
            return tuple(Read(key, tuple(values)) for key, values in seen.items())

        self._attempt(tuple(Read(keys[account]) for account in accounts), act)

    def _read(self, *_: AccountId) -> None:
        accounts = self.round.accounts
        self.read(self.dice.sample(accounts, min(len(accounts), self.dice.randint(2, 8))))

    def _register(self, account: AccountId, _: AccountId) -> None:
        """See one register through its function."""
        key = self.round.keys[account]

        def act() -> Micros:
            rows = self._rows("account_register", account_id=account, page_size=PAGE)
            assert len(rows) < PAGE, "the rounds are too long for a page"
            return (Read(key, tuple(row["amount"] for row in reversed(rows))),)

        self._attempt((Read(key),), act)

    def _transfer(self, giver: AccountId, taker: AccountId) -> None:
        number = self.round.number()
        sides = {"from_account_id": giver, "to_account_id": taker, "amount": number}
        self._post(self._appends(giver, taker, number), lambda: self._rows("transfer", **sides))

    def _batch(self, *_pair: AccountId) -> None:
        wanted: Micros = ()
        items = []
        for _ in range(self.dice.randint(2, 5)):
            giver, taker = self.dice.sample(self.round.accounts, 2)
            number = self.round.number()
            wanted += self._appends(giver, taker, number)
            sides = ((giver, -number), (taker, number))
            lines = [{"account_id": str(account), "amount": amount} for account, amount in sides]
            items.append({"entries": lines})
        self._post(
            wanted,
            lambda: [r["receipt"] for r in self._rows("post_transactions", transactions=items)],
            reversible=False,
        )

    def _capture(self, giver: AccountId, taker: AccountId) -> None:
        number = self.round.number()
        hold_id = uuid.UUID(int=self.dice.getrandbits(128))
        sides = {"account_id": giver, "to_account_id": taker, "amount": number}

        def act() -> list[Row]:
            self._rows("create_hold", **sides, id=hold_id)
            return self._rows("capture_hold", hold_id=hold_id)

        self._post(self._appends(giver, taker, number), act)

    def _reverse(self, giver: AccountId, taker: AccountId) -> None:
        """Take one of her own back, or post one to have it."""
        if not self._posted:
            return self._transfer(giver, taker)
        transaction_id, appended = self._posted.pop(self.dice.randrange(len(self._posted)))
        return self._post(
            tuple(
                Append(micro.key, -micro.value) for micro in appended if isinstance(micro, Append)
            ),
            lambda: self._rows("reverse_transaction", transaction_id=transaction_id),
            reversible=False,
        )

    def _appends(self, giver: AccountId, taker: AccountId, number: int) -> Micros:
        keys = self.round.keys
        return Append(keys[giver], -number), Append(keys[taker], number)

    def _post(self, wanted: Micros, act: Act, *, reversible: bool = True) -> None:
        """Record a posting, and keep its receipts."""

        def recorded() -> Micros:
            receipts = act()
            for receipt in receipts:
                self.round.receipts.extend(receipt["entries"])
            if reversible:
                self._posted.append((receipts[0]["transaction_id"], wanted))
            return wanted

        self._attempt(wanted, recorded)

    def _attempt(self, wanted: Micros, act: Callable[[], Micros]) -> None:
        def judged() -> Micros:
            try:
                return act()
            except Refusal as refusal:
                self.round.refused[refusal.code] += 1
                raise Denied from None
            except (psycopg.Error, httpx.HTTPError):
                raise Unknown from None

        self.round.recorder.attempt(self.client, wanted, judged)

    def _rows(self, function: str, **arguments: object) -> list[Row]:
        return self._call.rows(function, book_id=self.round.bank.book_id, **arguments)

    @property
    def _call(self) -> Client:
        return self.round.clients[self.client]
