"""Part `wire`: customers pay while both wires break, before the gateway and behind it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial

from tests.reliability.proof import Run
from tests.reliability.proxy import KINDS, Http, Kind, Plan, Postgres, Proxy, Struck
from tests.reliability.stage import Bank, gateway, open_bank, stage
from tests.reliability.workload import Workload
from tests.waiting import until
from tillroll import AsyncBook, AsyncTillroll, InsufficientFunds, OutcomeUnknown, RetryPolicy

PATIENCE = 0.6  # seconds that a client waits for an answer
BEFORE, BEHIND = "client and gateway", "gateway and Postgres"
FAULTS: dict[str, tuple[Kind, ...]] = {
    BEFORE: KINDS,
    BEHIND: tuple(kind for kind in KINDS if kind != "duplicate"),  # a session is not repeatable
}
SHARES = {BEFORE: 0.15, BEHIND: 0.08}
# With the retries that a client has unless told otherwise, and without any.
POLICIES = (RetryPolicy(), RetryPolicy(max_attempts=1))


@dataclass
class Wires:
    """The broken wires of one run, and what befell them.

    Attributes:
        struck: How often which kind struck, by wire.
        doubled: Keys of requests that a wire sent twice.
    """

    run: Run
    bank: Bank
    orders: int
    opened: AsyncExitStack
    struck: Counter[tuple[str, Kind]] = field(default_factory=Counter)
    doubled: set[str] = field(default_factory=set)

    async def gateway(self, clients: int, *, retry_aborted: bool) -> list[AsyncBook]:
        """Clients of a gateway of their own, between two proxies."""
        name = "repeating gateway" if retry_aborted else "gateway"
        behind = await self._proxy(name, BEHIND, self.bank.database.server.port)
        # In a thread: it asks for the schema through the proxy, which runs in this one.
        processes = self.opened.enter_context(ExitStack())
        running = await asyncio.to_thread(
            processes.enter_context,
            gateway(self.bank.login(behind.port), retry_aborted=retry_aborted),
        )
        before = await self._proxy(name, BEFORE, int(running.url.rsplit(":", 1)[1]))
        return [
            await self._book(
                AsyncTillroll.connect(
                    *(before.url, "anon"),
                    access_token=self.bank.token(),
                    rest_path="",
                    timeout=PATIENCE,
                    retry=POLICIES[number % 2],
                )
            )
            for number in range(clients)
        ]

    async def direct(self, clients: int) -> list[AsyncBook]:
        """Clients that call Postgres through a proxy."""
        behind = await self._proxy("psycopg", BEHIND, self.bank.database.server.port)
        dsn = self.bank.dsn(behind.port)
        return [
            await self._book(AsyncTillroll.direct(dsn, retry=POLICIES[number % 2]))
            for number in range(clients)
        ]

    async def _book(self, client: AsyncTillroll) -> AsyncBook:
        return (await self.opened.enter_async_context(client)).book(self.bank.book_id)

    async def _proxy(self, name: str, wire: str, port: int) -> Proxy:
        framing = Http if wire == BEFORE else Postgres
        plan = Plan.drawn(self.run.dice, self.orders, SHARES[wire], FAULTS[wire], PATIENCE)
        self.run.planned(f"{name}, between {wire}, by exchange: {plan}")
        tell = partial(self._note, name, wire)
        return await self.opened.enter_async_context(Proxy(port, framing, plan, tell))

    def _note(self, name: str, wire: str, struck: Struck) -> None:
        self.run.happened(f"{name}, between {wire}: {struck.fault}")
        self.struck[wire, struck.fault.kind] += 1
        if struck.fault.kind == "duplicate":
            body = struck.request.partition(b"\r\n\r\n")[2]
            self.doubled.add(json.loads(body)["idempotency_key"])


def run(run: Run) -> None:
    """Break every wire by plan under load, then mend them and compare the books."""
    asyncio.run(_run(run))


async def _run(run: Run) -> None:
    orders, clients = (20_000, 8) if run.is_long else (300, 6)
    with stage() as here:
        bank = open_bank(here.database, accounts=8, funds=10_000)
        workload = Workload(bank, f"wire-{run.seed}", pause=0.0)
        async with AsyncExitStack() as opened:
            wires = Wires(run, bank, orders, opened)
            books = [
                *await wires.gateway(clients, retry_aborted=False),
                *await wires.gateway(clients, retry_aborted=True),
                *await wires.direct(clients),
            ]
            await workload.run(books, asyncio.Event(), orders)
        run.happened("all wires are cut, the gateways have gone")
        until(bank.is_quiet)

        _check_kinds(run, wires)
        _check_what_was_told(run, workload, wires.doubled)
        run.figure("settled afterwards", len(workload.open))
        async with AsyncTillroll.direct(bank.dsn()) as client:
            await workload.settle(client.book(bank.book_id))
        run.at_least("orders on broken wires", orders, len(workload.orders))
        workload.judge(run)


def _check_kinds(run: Run, wires: Wires) -> None:
    totals: Counter[Kind] = Counter()
    for (_, kind), number in wires.struck.items():
        totals[kind] += number
    for kind in KINDS:
        run.figure(kind, totals[kind])
    for wire, kinds in FAULTS.items():
        run.none(
            f"kinds of faults that never struck between {wire}",
            [kind for kind in kinds if not wires.struck[wire, kind]],
        )


def _check_what_was_told(run: Run, workload: Workload, doubled: set[str]) -> None:
    """The client says "unknown" where it has to, and "nothing happened" only where that is so.

    An order that a wire sent twice may be refused once and posted once, whatever a client does:
    those are asked about again, as the unknown ones are.
    """
    posted = workload.stored()
    unknown = {key for key, error in workload.told.items() if isinstance(error, OutcomeUnknown)}
    noted = {key for key, error in workload.told.items() if isinstance(error, InsufficientFunds)}
    refused = workload.tally.refused.keys() - noted
    nothing = (workload.told.keys() - unknown - noted) | refused
    run.figure("told: unknown", len(unknown))
    run.figure("told: unknown, and it had happened", len(unknown & posted.keys()))
    run.figure("told: nothing happened", len(nothing))
    run.none("told that nothing happened, and it had", sorted(nothing & posted.keys() - doubled))
    run.none(
        "unknown without the key",
        [key for key in unknown if _key_of(workload.told[key]) != key],
    )
    workload.open |= {key: workload.orders[key] for key in doubled}


def _key_of(error: Exception) -> str | None:
    return error.key if isinstance(error, OutcomeUnknown) else None
