"""Measure transfers in SQL and over HTTP, beside `pgbench -b tpcb-like`; print a table.

    make bench                        or: python tests/bench/transfers.py [--seconds 8] [--rounds 3]

One stack of its own, fsync on, 1,000 accounts with a floor of 0, every call with a UUIDv7 key, as
`authenticated` with a user's claims. SQL is driven by pgbench with prepared statements. HTTP is
driven by the small generator below (asyncio, raw keep-alive connections, one process), through the
front and the gateway as an app would call them. Each round runs every line once, so that a slow
minute hits all of them; the table shows medians, and each ratio is taken within its round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from rich.console import Console
from rich.table import Table
from supabase import create_client

from tillroll.local.stack import Stack, StackInfo
from tillroll.retry import uuid7
from tillroll.server import find_binaries

ACCOUNTS = 1000
SCALE = 16  # of pgbench: above its number of clients
PGBENCH_KEY = "uuidv7()::text"


@dataclass(frozen=True)
class Line:
    """One line of the table: transactions or calls per second, by round."""

    name: str
    clients: int
    rates: list[float]


@dataclass(frozen=True)
class Bench:
    """A stack with a funded book, and a user who edits it."""

    info: StackInfo
    token: str
    user_id: str
    book_id: str

    def pgbench(self, *arguments: str, clients: int, seconds: int, as_user: bool) -> float:
        """Transactions per second of one run."""
        claims = json.dumps({"sub": self.user_id, "role": "authenticated"}, separators=(",", ":"))
        options = f"-c role=authenticated -c request.jwt.claims={claims}" if as_user else ""
        done = subprocess.run(
            [
                str(find_binaries() / "pgbench"),
                *("-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2))),
                *("-T", str(seconds), *arguments, self.info.db_url),
            ],
            env={**os.environ, "PGOPTIONS": options},
            capture_output=True,
            text=True,
            check=False,
        )
        rates = [line for line in done.stdout.splitlines() if line.startswith("tps")]
        if done.returncode or not rates:
            raise SystemExit(f"pgbench failed: {done.stderr}")
        return float(rates[0].split()[2])

    def http(self, *, clients: int, seconds: int) -> float:
        """Calls per second of one run; every answer has to be 200."""
        return asyncio.run(self._http(clients, seconds))

    async def _http(self, clients: int, seconds: int) -> float:
        url = urlsplit(self.info.api_url)
        deadline = time.perf_counter() + seconds
        head = (
            f"POST /rest/v1/rpc/transfer HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"apikey: {self.info.anon_key}\r\nAuthorization: Bearer {self.token}\r\n"
            "Content-Profile: ledger\r\nContent-Type: application/json\r\nContent-Length: "
        )

        async def client(seed: int) -> int:
            dice, calls = random.Random(seed), 0
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            while time.perf_counter() < deadline:
                giver, taker = dice.sample(range(1, ACCOUNTS + 1), 2)
                body = json.dumps(
                    {
                        "book_id": self.book_id,
                        "from_account_id": account_id(giver),
                        "to_account_id": account_id(taker),
                        "amount": dice.randint(1, 100),
                        "idempotency_key": str(uuid7()),
                    }
                )
                writer.write(f"{head}{len(body)}\r\n\r\n{body}".encode())
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(answer.split(b"content-length:")[1].split(b"\r\n")[0])
                content = await reader.readexactly(length)
                if not answer.startswith(b"http/1.1 200"):
                    raise SystemExit(f"HTTP failed: {answer!r} {content!r}")
                calls += 1
            writer.close()
            return calls

        started = time.perf_counter()
        calls = sum(await asyncio.gather(*(client(seed) for seed in range(clients))))
        return calls / (time.perf_counter() - started)


def account_id(number: int) -> str:
    """Id of the n-th account: pgbench has to be able to write it, too."""
    return f"00000000-0000-7000-8000-{number:012d}"


def sql_id(variable: str) -> str:
    """The same in SQL, of a pgbench variable."""
    return f"('00000000-0000-7000-8000-' || lpad(:{variable}::text, 12, '0'))::uuid"


def prepare(info: StackInfo) -> Bench:
    """Sign a user up, open and fund the accounts, fill pgbench's own tables."""
    signed = create_client(info.api_url, info.anon_key).auth.sign_up(
        {"email": f"{uuid.uuid4()}@example.org", "password": "a good password"}
    )
    assert signed.user is not None
    assert signed.session is not None
    with psycopg.connect(info.owner_url, autocommit=True) as owner:
        book = one(owner, "select id from ledger.create_book('Bench', 'EUR')")
        owner.execute("select ledger.set_member(%s, %s, 'editor')", [book, signed.user.id])
        world = one(owner, "select id from ledger.open_account(%s, 'world', 'equity', 'EUR')", book)
        for number in range(1, ACCOUNTS + 1):
            account = account_id(number)
            owner.execute(
                "select ledger.open_account(%s, %s, 'asset', 'EUR', id => %s)",
                [book, str(number), account],
            )
            owner.execute("select ledger.transfer(%s, %s, %s, 1000000000)", [book, world, account])
    subprocess.run(
        [str(find_binaries() / "pgbench"), "-i", "-q", "-s", str(SCALE), info.db_url],
        check=True,
        capture_output=True,
    )
    with psycopg.connect(info.db_url, autocommit=True) as admin:
        admin.execute("vacuum analyze")
    return Bench(info, signed.session.access_token, signed.user.id, str(book))


def one(connection: psycopg.Connection, statement: str, *arguments: object) -> object:
    """The single value of a query."""
    row = connection.execute(statement, arguments).fetchone()
    assert row is not None
    return row[0]


def scripts(bench: Bench, folder: Path) -> Iterator[tuple[str, Path]]:
    """pgbench scripts: pairs drawn at random, and one account that is in every transfer."""
    call = "select ledger.transfer('{}', {}, {}, :n, " + PGBENCH_KEY + ");\n"
    draw = f"\\set a random(1, {ACCOUNTS})\n\\set n random(1, 100)\n"
    other = f"\\set b 1 + (:a + random(0, {ACCOUNTS - 2})) % {ACCOUNTS}\n"
    hot = "\\set a random(2, 1000)\n\\set n random(1, 100)\n\\set b 1\n"
    for name, text in (("uniform", draw + other), ("hot", hot)):
        path = folder / f"{name}.sql"
        path.write_text(text + call.format(bench.book_id, sql_id("a"), sql_id("b")))
        yield name, path


def measure(bench: Bench, folder: Path, seconds: int, rounds: int) -> list[Line]:
    """Run every line once a round."""
    paths = dict(scripts(bench, folder))
    lines = [
        Line("pgbench -b tpcb-like", 8, []),
        Line("SQL, random pairs", 1, []),
        Line("SQL, random pairs", 8, []),
        Line("SQL, random pairs", 16, []),
        Line("SQL, one hot account", 16, []),
        Line("HTTP, random pairs", 1, []),
        Line("HTTP, random pairs", 16, []),
    ]
    for _ in range(rounds):
        for line in lines:
            if line.name.startswith("HTTP"):
                rate = bench.http(clients=line.clients, seconds=seconds)
            else:
                ours = line.name.startswith("SQL")
                script = paths["hot" if "hot" in line.name else "uniform"]
                what = ["-f", str(script)] if ours else ["-b", "tpcb-like"]
                rate = bench.pgbench(*what, clients=line.clients, seconds=seconds, as_user=ours)
            line.rates.append(rate)
    return lines


def table(lines: list[Line]) -> Table:
    """Medians; ratios to the first line, each within its round."""
    shown = Table("work", "clients", "per second", "of tpcb-like", title="Transfers")
    for column in shown.columns[1:]:
        column.justify = "right"
    for line in lines:
        ratios = [a / b for a, b in zip(line.rates, lines[0].rates, strict=True)]
        shown.add_row(
            line.name,
            str(line.clients),
            f"{statistics.median(line.rates):,.0f}",
            f"{statistics.median(ratios):.2f}",
        )
    return shown


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--seconds", type=int, default=8, help="of each line and round")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with Stack(Path(folder) / "stack") as info:
            bench = prepare(info)
            lines = measure(bench, Path(folder), chosen.seconds, chosen.rounds)
            with psycopg.connect(info.owner_url) as owner:
                sound = one(owner, "select bool_and(ok) from ledger.verify_book(%s)", bench.book_id)
    Console().print(table(lines))
    print(f"verify_book: {'every check holds' if sound else 'BROKEN'}")
    raise SystemExit(0 if sound else 1)


if __name__ == "__main__":
    main()
