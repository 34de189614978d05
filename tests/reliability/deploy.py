"""A release under load: the migration of v0.2.0 runs while customers of v0.1.0 pay.

Failures are allowed meanwhile, wrong answers are not. Every order of before is sent once more at
the end: its receipt has to be the one that v0.1.0 gave.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import BINARIES, ROOT, cluster_of
from tests.reliability.load import Way, all_served, directly, more_answers, over_http, under_load
from tests.reliability.proof import Check, Run
from tests.reliability.stage import gateway, open_bank
from tests.reliability.workload import Workload
from tillroll import AsyncTillroll
from tillroll._async._calls import AsyncTransport
from tillroll.migrate import Runner

MIGRATIONS = ROOT / "supabase" / "migrations"
FIRST = "20261122120000_initial.sql"
ROUNDS = 30


class OfFirstRelease:
    """A way to the database that says what clients of v0.1.0 said: they knew no dry runs."""

    def __init__(self, transport: AsyncTransport) -> None:
        self.most_rows = transport.most_rows
        self.close, self.page = transport.close, transport.page
        self._transport = transport

    async def call(
        self, function: str, arguments: Mapping[str, Any], *, timeout: float
    ) -> list[Any]:
        known = {name: value for name, value in arguments.items() if name != "dry_run"}
        return await self._transport.call(function, known, timeout=timeout)


def older(way: Way) -> Way:
    """Clients of v0.1.0 on this way."""

    def make() -> AsyncTillroll:
        client = way()
        client._calls.transport = OfFirstRelease(client._calls.transport)
        return client

    return make


def run(run: Run) -> None:
    """Migrate after a drawn number of answers, on each Postgres that is here in turn."""
    here = [version for version, folder in BINARIES.items() if folder is None or folder.exists()]
    drawn = [
        (here[number % len(here)] if run.is_long else "18", run.dice.randint(20, 200))
        for number in range(ROUNDS if run.is_long else 1)
    ]
    for version, answers in drawn:
        run.planned(f"Postgres {version}: migrate after {answers} answers")
    first = run.folder / "first"
    first.mkdir(exist_ok=True)
    shutil.copy(MIGRATIONS / FIRST, first)
    totals: Counter[str] = Counter()
    wrong: list[Check] = []
    for version, answers in drawn:
        verdict = Run(run.part, run.seed, run.size, run.folder)
        workload = _deploy(run, verdict, version, answers, first)
        totals.update({name: int(verdict.figures[name]) for name in ("orders", "posted")})
        totals.update({f"told {code}": count for code, count in workload.failed.items()})
        totals["replayed after the migration"] += workload.tally.replays
        wrong += [check for check in verdict.checks if not check.ok]
    for name, total in totals.items():
        run.figure(name, total)
    run.at_least("migrations under load", ROUNDS, len(drawn))
    run.at_least("orders replayed", ROUNDS, totals["replayed after the migration"])
    run.none("wrong after a migration", wrong)


def _deploy(run: Run, verdict: Run, version: str, answers: int, first: Path) -> Workload:
    cluster = cluster_of(version)
    database = cluster.database("bare")
    Runner(database.dsn(), first).up()
    bank = open_bank(database, accounts=8, funds=10_000)
    workload = Workload(bank, f"{run.seed}-deploy")
    with gateway(database.dsn("authenticator")) as front:
        http, direct = over_http(front.url, bank.token), directly(bank.dsn())
        ways = [older(http)] * 4 + [older(direct)] * 4

        def migrate() -> None:
            all_served(workload, len(ways))
            more_answers(workload, answers)
            began = time.monotonic()
            done = Runner(database.dsn(), MIGRATIONS).up()
            taken = time.monotonic() - began
            before = set(workload.tally.keys)
            recovery = all_served(workload, len(ways))
            more_answers(workload, answers)
            # Settled at the end with what is open: a replay has to give what v0.1.0 gave.
            workload.open.update({key: workload.orders[key] for key in before})
            run.happened(
                f"Postgres {version}: {len(done.applied)} files in {taken:.2f} s,"
                f" all are served again after {recovery:.2f} s"
            )

        under_load(workload, ways, migrate)
    workload.judge(verdict)
    cluster.drop(database)
    return workload
