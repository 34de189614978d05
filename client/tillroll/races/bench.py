"""What each way to move money costs: throughput, aborts, latency and lost money, by contention.

pgbench drives all of them, repeats what is aborted as a program would have to, and writes down how
long each transfer took with its repetitions. The fewer accounts, the more often two transfers meet.
All write in the order of the accounts but the one that shows what the order is for.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from tillroll.races.lab import NAMES, Lab, LabError, as_alice, filled
from tillroll.server import find_binaries

__all__ = ["ACCOUNTS", "WAYS", "Measured", "Way", "bench", "summary"]

ACCOUNTS = (2, 10, 1000)
_FUNDS = 1_000_000_000
_TRIES = 1000
_PRODUCTION = {"max_connections": "100", "deadlock_timeout": "1s", "autovacuum": "on"}

_DRAW = """\\set a random(1, :accounts)
\\set b 1 + (:a + random(0, :accounts - 2)) % :accounts
\\set n random(1, 100)
"""
_READ_WRITE = """begin isolation level {level};
select balance as giver from accounts where id = :a \\gset
select balance as taker from accounts where id = :b \\gset
\\if :a < :b
{give}
{take}
\\else
{take}
{give}
\\endif
insert into payments values (:a, :b, :n);
commit;
"""
_GIVE = "update accounts set balance = :giver::bigint - :n::bigint where id = :a;"
_TAKE = "update accounts set balance = :taker::bigint + :n::bigint where id = :b;"
_LOCK_WRITE = """begin isolation level read committed;
{locks}
update accounts set balance = balance - :n where id = :a;
update accounts set balance = balance + :n where id = :b;
insert into payments values (:a, :b, :n);
commit;
"""
_AS_ASKED = """select from accounts where id = :a for update;
select from accounts where id = :b for update;"""
_SORTED = "select from accounts where id in (:a, :b) order by id for no key update;"
_ACCOUNT = "('00000000-0000-7000-8000-' || lpad(({})::text, 12, '0'))::uuid"
_LEDGER = (
    f"""('{NAMES["book"]}', {_ACCOUNT.format(":a")}, {_ACCOUNT.format(":b")}, :n, uuidv7()::text)"""
)
_SETUP = f"""
create table accounts (id int primary key, balance bigint not null);
insert into accounts select i, {_FUNDS} from generate_series(1, :accounts) as i;
create table payments (giver int not null, taker int not null, amount bigint not null);
grant usage on schema public to authenticated;
select ledger.open_account(:book, 'account ' || i, 'asset', 'EUR', id => {_ACCOUNT.format("i")})
from generate_series(1, :accounts) as i;
select ledger.transfer(:book, :world, {_ACCOUNT.format("i")}, {_FUNDS})
from generate_series(1, :accounts) as i;
-- pgbench repeats 40001 and not the ledger's own code for the same.
create function transfer_serializable(book uuid, giver uuid, taker uuid, n bigint, key text)
returns void language plpgsql as $$
begin
    perform ledger.transfer_serializable(book, giver, taker, n, key);
exception when sqlstate 'PGRST' then
    raise exception '%', sqlerrm using errcode = '40001';
end $$;
"""
_TOTAL = f"""
select
    (select sum(balance) from accounts) - :accounts * {_FUNDS}::numeric,
    (select sum(b.posted) from ledger_private.balances as b)
"""


@dataclass(frozen=True)
class Way:
    """One way to write a transfer.

    Attributes:
        ledger: Whether it is the ledger's own: with entries, chain, limits, key and access checks.
    """

    name: str
    level: str
    script: str
    ledger: bool = False


WAYS = (
    *(
        Way("read, then write", level, _READ_WRITE.format(level=level, give=_GIVE, take=_TAKE))
        for level in ("read committed", "repeatable read", "serializable")
    ),
    Way("for update, giver first", "read committed", _LOCK_WRITE.format(locks=_AS_ASKED)),
    Way("for no key update, sorted", "read committed", _LOCK_WRITE.format(locks=_SORTED)),
    Way("ledger.transfer", "read committed", f"select ledger.transfer{_LEDGER};\n", ledger=True),
    Way(
        "ledger.transfer_serializable",
        "serializable",
        f"begin isolation level serializable;\nselect transfer_serializable{_LEDGER};\ncommit;\n",
        ledger=True,
    ),
)


@dataclass(frozen=True)
class Measured:
    """One line of the table.

    Attributes:
        per_second: Transfers that succeeded.
        aborted: Share of the attempts that were refused with 40001 or 40P01 and repeated.
        deadlocks: Seen by the server.
        p50_ms, p99_ms: Of a transfer with all its repetitions.
        astray: Minor units that appeared out of nothing, or vanished where negative.
    """

    way: str
    level: str
    accounts: int
    clients: int
    per_second: float
    aborted: float
    deadlocks: int
    p50_ms: float
    p99_ms: float
    astray: int


def bench(
    *,
    seconds: int = 5,
    rounds: int = 1,
    clients: int = 16,
    accounts: Sequence[int] = ACCOUNTS,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Measured]:
    """Measure each way at each number of accounts, fsync on; the median round of each.

    Args:
        seconds: Of each measurement.
        rounds: Of all ways, so that a slow minute hits all of them.
        progress: Told what was measured.

    Raises:
        LabError: pgbench failed; the message is its own.
    """
    done = []
    with Lab(settings=_PRODUCTION, durable=True) as lab:
        for number in accounts:
            with lab.database() as url:
                with psycopg.connect(url, autocommit=True) as admin:
                    admin.execute(filled(_SETUP, {**NAMES, "accounts": number}).encode())
                    admin.execute("vacuum analyze")
                measured: dict[Way, list[Measured]] = {way: [] for way in WAYS}
                for _ in range(rounds):
                    for way, lines in measured.items():
                        lines.append(_measure(url, way, number, clients, seconds))
                        progress(f"{way.name}, {way.level}, {number} accounts")
                done += [_middle(lines) for lines in measured.values()]
    return done


def summary(lines: Sequence[Measured]) -> dict[str, Any]:
    """Return what was measured and on what, for JSON."""
    about = {
        "machine": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
    }
    return {"about": about, "lines": [asdict(line) for line in lines]}


def _middle(lines: list[Measured]) -> Measured:
    """Return the round with the median rate, money that went astray in any of them included."""
    middle = sorted(lines, key=lambda line: line.per_second)[len(lines) // 2]
    return Measured(**{**asdict(middle), "astray": max((each.astray for each in lines), key=abs)})


def _measure(url: str, way: Way, accounts: int, clients: int, seconds: int) -> Measured:
    with (
        tempfile.TemporaryDirectory() as folder,
        psycopg.connect(url, autocommit=True) as admin,
    ):
        before, deadlocks = _astray(admin, accounts), _deadlocks(admin)
        script = Path(folder, "script.sql")
        script.write_text(_DRAW + way.script)
        told = _pgbench(url, way, script, accounts, clients, seconds)
        times, retries = _log(Path(folder))
        times = times or [seconds * 1000.0]  # none has ended: it takes at least that long
        return Measured(
            way=way.name,
            level=way.level,
            accounts=accounts,
            clients=clients,
            per_second=round(float(told), 1),
            aborted=round(retries / (retries + len(times)), 4),
            deadlocks=_deadlocks(admin) - deadlocks,
            p50_ms=round(times[len(times) // 2], 2),
            p99_ms=round(times[int(len(times) * 0.99)], 2),
            astray=_astray(admin, accounts) - before,
        )


def _pgbench(url: str, way: Way, script: Path, accounts: int, clients: int, seconds: int) -> str:
    command = [
        *(str(find_binaries() / "pgbench"), "-n", "-M", "prepared", "-f", str(script), "-l"),
        *("-c", str(clients), "-j", "2", "-T", str(seconds), "--max-tries", str(_TRIES)),
        *("-D", f"accounts={accounts}"),
        as_alice(url) if way.ledger else url,
    ]
    ran = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=False)
    rate = re.search(r"^tps = ([0-9.]+)", ran.stdout, re.MULTILINE)
    if ran.returncode:
        raise LabError(f"pgbench failed in {way.name}: {ran.stderr.strip()}")
    return rate[1] if rate else "0"  # pgbench gives no rate where no transfer has ended


def _log(folder: Path) -> tuple[list[float], int]:
    """Return the milliseconds of each transfer, sorted, and how many repetitions there were."""
    times, retries = [], 0
    for file in folder.glob("pgbench_log.*"):
        for line in file.read_text().splitlines():
            fields = line.split()
            if fields[2].isdigit():  # else it failed for good
                times.append(int(fields[2]) / 1000)
                retries += int(fields[-1])
    return sorted(times), retries


def _astray(admin: psycopg.Connection, accounts: int) -> int:
    row = admin.execute(filled(_TOTAL, {"accounts": accounts}).encode()).fetchone()
    assert row is not None
    return int(sum(row))


def _deadlocks(admin: psycopg.Connection) -> int:
    admin.execute("select pg_stat_clear_snapshot()")
    row = admin.execute(
        "select deadlocks from pg_stat_database where datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])
