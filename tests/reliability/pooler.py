"""pgbouncer in transaction mode: what works behind it, what does not, and faults of its own.

A session pooled by transaction keeps nothing from one to the next: no prepared statement, no
startup option, no LISTEN. So:

- A client that is the login role itself works as it is: it prepares nothing.
- A client that acts as a user gives role and claims in each transaction. As startup options they
  are refused; where a pooler is told to ignore them, the ledger refuses a caller without a role.
- The gateway prepares its statements by name, as PostgREST does by default. Through transactions a
  statement is then missing, is there already, or is another one that some other session has given
  the same name: so it is told not to. Through a pool in session mode it works as it is.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, cast

import httpx
import psycopg
from psycopg_pool import AsyncConnectionPool

from tests.conftest import missing
from tests.reliability.load import HASTY, Way, directly, one_by_one, over_http, under_load
from tests.reliability.pgbouncer import SESSION, TRANSACTION, Pgbouncer, pgbouncer, program
from tests.reliability.processes import stopped
from tests.reliability.proof import Run
from tests.reliability.stage import Bank, Stage, gateway, open_bank, stage
from tests.reliability.workload import Workload
from tillroll import AsyncTillroll

FAULTS, SHORT_FAULTS = 100, 5
PROBES = 100
UNPREPARED = {"26000", "42P05"}  # no such prepared statement, there is one already


class ByTransaction:
    """Connections that act as a user behind a transaction pooler: role and claims come each time.

    Stands for a pool: each call has a connection, in a transaction that is committed after it.
    """

    def __init__(self, dsn: str, user_id: str) -> None:
        self._dsn = dsn
        self._claims = json.dumps({"sub": user_id, "role": "authenticated"})

    @asynccontextmanager
    async def connection(self, timeout: float) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection."""
        made = await psycopg.AsyncConnection.connect(
            self._dsn, prepare_threshold=None, connect_timeout=max(2, int(timeout))
        )
        async with made:
            await made.execute(
                "select set_config('role', 'authenticated', true),"
                " set_config('request.jwt.claims', %s, true)",
                [self._claims],
            )
            yield made


def run(run: Run) -> None:
    """Show what works behind a pooler, then draw faults of it while customers use that."""
    if program() is None:
        missing("pgbouncer")
    kinds = list(KINDS)
    drawn = (
        run.dice.choices(kinds, k=FAULTS) if run.is_long else run.dice.sample(kinds, SHORT_FAULTS)
    )
    for kind in drawn:
        run.planned(kind)
    with stage() as place:
        bank = open_bank(place.database, accounts=8, funds=10_000)
        workload = Workload(bank, f"{run.seed}-pooler")
        _check_ignored_options(run, place, bank)
        with pgbouncer(place.database, place.folder / "pgbouncer") as pooler:
            _check_options(run, "startup options", pooler, bank, "no connection")
            with gateway(pooler.dsn(TRANSACTION)) as front:
                _check_transactions(run, _ask(front.url, bank))
            with gateway(pooler.dsn(SESSION)) as front:
                run.none("failures of a gateway through sessions", _ask(front.url, bank))
            with gateway(pooler.dsn(TRANSACTION), prepared=False) as front:
                run.none("failures of one that prepares nothing", _ask(front.url, bank))
                ways = [
                    *[over_http(front.url, bank.token)] * 3,
                    *[directly(pooler.dsn(TRANSACTION, "postgres"))] * 3,
                    *[_as_user(pooler, bank)] * 3,
                ]
                under_load(
                    workload, ways, lambda: _act(run, place, pooler, workload, drawn, len(ways))
                )
            workload.judge(run)


def _as_user(pooler: Pgbouncer, bank: Bank) -> Way:
    pool = cast(AsyncConnectionPool[Any], ByTransaction(pooler.dsn(TRANSACTION), bank.user_id))
    return lambda: AsyncTillroll.direct(pool, timeout=4, retry=HASTY)


def _check_ignored_options(run: Run, place: Stage, bank: Bank) -> None:
    folder = place.folder / "ignoring"
    with pgbouncer(place.database, folder, ignored="options") as pooler:
        _check_options(run, "startup options that the pooler ignores", pooler, bank, "42501")


def _check_options(run: Run, name: str, pooler: Pgbouncer, bank: Bank, wanted: str) -> None:
    """A user's connection URL with role and claims, which no transaction pooler hands on."""
    url = bank.dsn(pooler.port).replace(f"/{bank.database.name}?", f"/{TRANSACTION}?")
    told = "an answer"
    try:
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("select ledger.get_balances(%s)", [bank.book_id])
    except psycopg.Error as refused:
        told = refused.sqlstate or "no connection"
    run.check(name, bar=wanted, measured=told, ok=told == wanted)


def _check_transactions(run: Run, told: Counter[str]) -> None:
    run.check(
        "a gateway that prepares statements, through transactions",
        bar="fails with 26000 or 42P05",
        measured=dict(told),
        ok=bool(told) and set(told) <= UNPREPARED,
    )


def _ask(url: str, bank: Bank) -> Counter[str]:
    """Read through a gateway, eight at once; how often which code came."""
    headers = {"Authorization": f"Bearer {bank.token()}", "Content-Profile": "ledger"}
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:

        def ask(_: int) -> str | None:
            answer = client.post("/rpc/get_balances", json={"book_id": str(bank.book_id)})
            return None if answer.is_success else str(answer.json()["code"])

        with ThreadPoolExecutor(8) as pool:
            return Counter(code for code in pool.map(ask, range(PROBES)) if code)


def _act(
    run: Run, place: Stage, pooler: Pgbouncer, workload: Workload, drawn: list[str], ways: int
) -> None:
    faults = ((kind, partial(KINDS[kind], place, pooler)) for kind in drawn)
    done = one_by_one(run, workload, ways, faults)
    run.at_least("faults of a pooler", FAULTS, done.total())


def _kill(_: Stage, pooler: Pgbouncer) -> None:
    pooler.kill()
    pooler.start()


def _stop(_: Stage, pooler: Pgbouncer) -> None:
    with stopped(pooler.process):
        time.sleep(0.5)


def _pause(_: Stage, pooler: Pgbouncer) -> None:
    pooler.admin(f"pause {TRANSACTION}")
    time.sleep(0.5)
    pooler.admin(f"resume {TRANSACTION}")


def _reconnect(_: Stage, pooler: Pgbouncer) -> None:
    pooler.admin(f"reconnect {TRANSACTION}")


def _terminate(place: Stage, _: Pgbouncer) -> None:
    with place.database.connect("supabase_admin") as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        )


def _restart(place: Stage, _: Pgbouncer) -> None:
    place.restart()


KINDS: dict[str, Callable[[Stage, Pgbouncer], None]] = {
    "kill −9 of the pooler": _kill,
    "SIGSTOP of the pooler": _stop,
    "pool paused and resumed": _pause,
    "server sessions replaced": _reconnect,
    "all sessions behind the pooler terminated": _terminate,
    "restart of the server behind the pooler": _restart,
}
