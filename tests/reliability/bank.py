"""Jepsen's bank test: money goes round and round, and whoever counts it finds all of it.

Writers transfer at random between accounts with a floor of zero, in SQL and over HTTP at once,
while readers add up all balances, each time in one snapshot. Every total must be right and no
balance negative. In the end the ledger holds what the writers were told, no more and no less.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing import get_context
from threading import Event

from tests.reliability.clients import Client, HttpClient, SqlClient, deadlocks
from tests.reliability.proof import Run
from tests.reliability.stage import Bank, gateway, open_bank, stage
from tests.reliability.writers import Task, Told, in_sql, over_http

FUNDS, MOST = 1_000, 200  # often there is not enough
PROCESSES, CONNECTIONS = 2, 4
HTTP, HTTP_CONNECTIONS = "http", 8
PAUSE = 0.05  # seconds between two readings: the writers are to have the processor
LONG, SHORT = 1_000_000, 20_000
LONG_OVER_HTTP, LONG_READS = 100_000, 1_000


@dataclass(frozen=True)
class Plan:
    """How many transfers are to be accepted, between how many accounts."""

    accounts: int
    in_sql: int
    over_http: int


LONG_PLANS = (Plan(2, 250_000, 30_000), Plan(8, 300_000, 35_000), Plan(1000, 350_000, 35_000))
SHORT_PLANS = (Plan(2, 5_000, 500), Plan(8, 6_500, 500), Plan(1000, 7_000, 500))


def run(run: Run) -> None:
    """Bank after bank, each with its writers and readers."""
    plans = LONG_PLANS if run.is_long else SHORT_PLANS
    transfers = by_http = refusals = 0
    reads: Counter[str] = Counter()
    with ExitStack() as stack:
        place = stack.enter_context(stage(None if run.is_long else {"fsync": "off"}))
        login = place.database.dsn("authenticator")
        front = stack.enter_context(gateway(login, pool=HTTP_CONNECTIONS + 1))
        # Spawned: what is forked shares the connections and threads of this process.
        processes = stack.enter_context(
            ProcessPoolExecutor(PROCESSES + 1, mp_context=get_context("spawn"))
        )
        for plan in plans:
            bank = open_bank(place.database, plan.accounts, FUNDS)
            seed = f"{run.dice.getrandbits(64):x}"
            run.planned(f"{plan}: funds of {FUNDS} each, amounts up to {MOST}, seed {seed}")
            began = run.seconds
            told, readers = _work(bank, front.url, plan, seed, processes)
            rate = round(len(told.keys) / (run.seconds - began))
            run.happened(f"{len(told.keys):,} transfers of {plan.accounts}, {rate:,} a second")
            _judge(run, bank, told, readers)
            transfers += len(told.keys)
            by_http += sum(f" {HTTP}-" in key for key in told.keys)
            refusals += told.refused.total()
            reads.update({reader.way: reader.reads for reader in readers})
        run.none("deadlocks", deadlocks(bank))
    run.figure("refusals", refusals)
    bar = LONG if run.is_long else SHORT
    accepted = f"{transfers:,}"
    run.check("transfers", bar=f"≥ {bar:,}", measured=accepted, ok=transfers >= bar)
    run.at_least("of these over HTTP", LONG_OVER_HTTP, by_http)
    for way, number in reads.items():
        run.at_least(f"totals that were read over {way}", LONG_READS, number)


@dataclass
class Reader:
    """Adds up all balances again and again."""

    bank: Bank
    way: str
    client: Client
    reads: int = 0
    wrong: list[str] = field(default_factory=list)
    negative: list[str] = field(default_factory=list)

    def read_until(self, over: Event) -> None:
        """Read the total by one function and the other until it is over, and once more then."""
        for function in cycle(("get_balances", "trial_balance")):
            last = over.wait(PAUSE)
            self._read(function)
            if last:
                return

    def _read(self, function: str) -> None:
        bank, of_all = self.bank, function == "trial_balance"
        only = {} if of_all else {"account_ids": bank.accounts}
        rows = self.client.rows(function, book_id=bank.book_id, **only)
        balances = {row["account_id"]: row["posted"] for row in rows}
        funds = len(bank.accounts) * bank.funds
        world = balances.pop(str(bank.world), None)
        seen = (len(balances), sum(balances.values()), world)
        if seen != (len(bank.accounts), funds, -funds if of_all else None):
            self.wrong.append(f"{function} in {self.way}: accounts, total, world are {seen}")
        below = [each for each, posted in balances.items() if posted < 0]
        if below:
            self.negative.append(f"{function} in {self.way}: {below}")
        self.reads += 1


def _work(
    bank: Bank, url: str, plan: Plan, seed: str, processes: ProcessPoolExecutor
) -> tuple[Told, list[Reader]]:
    """Let writers and readers loose until the plan is fulfilled."""

    def task(name: str, goes_to: str, connections: int, quota: int) -> Task:
        key = f"{bank.book_id} {name}"
        parts = (bank.token(), bank.book_id, bank.accounts, connections, quota, MOST)
        return Task(key, f"{seed} {name}", goes_to, *parts)

    share = -(-plan.in_sql // PROCESSES)
    over, told = Event(), Told()
    with ExitStack() as stack:
        readers = [
            Reader(bank, "SQL", SqlClient(bank, stack)),
            Reader(bank, "HTTP", HttpClient(bank, url, stack)),
        ]
        pool = stack.enter_context(ThreadPoolExecutor(len(readers)))
        reading = [pool.submit(reader.read_until, over) for reader in readers]
        try:
            writing = [
                processes.submit(in_sql, task(f"sql {number}", bank.dsn(), CONNECTIONS, share))
                for number in range(PROCESSES)
            ]
            sending = task(HTTP, url, HTTP_CONNECTIONS, plan.over_http)
            writing.append(processes.submit(over_http, sending))
            for done in writing:
                told.add(done.result())
        finally:
            over.set()
        for read in reading:
            read.result()
    return told, readers


def _judge(run: Run, bank: Bank, told: Told, readers: list[Reader]) -> None:
    """Compare what was read and what the writers were told with what there is."""
    with bank.database.connect() as owner:
        keys = {
            str(key)
            for (key,) in owner.execute(
                "select idempotency_key from ledger_private.transactions"
                " where book_id = %s and idempotency_key is not null",
                [bank.book_id],
            )
        }
    of = f", {len(bank.accounts):,} accounts"
    acknowledged = set(told.keys)
    run.none(f"wrong totals{of}", [it for reader in readers for it in reader.wrong])
    run.none(f"negative balances{of}", [it for reader in readers for it in reader.negative])
    run.none(f"acknowledged but lost{of}", sorted(acknowledged - keys)[:10])
    run.none(f"posted but never acknowledged{of}", sorted(keys - acknowledged)[:10])
    run.none(f"wrong balances in the end{of}", bank.wrong(told.moved))
    run.none(f"refused for another reason{of}", dict(told.odd()))
    run.none(f"broken checks of verify_book{of}", bank.broken())
