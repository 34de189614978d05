"""Where things break: a durable server of its own, gateways as processes, a bank with customers."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import jwt
import psycopg

from tests.conftest import Cluster, Database
from tillroll.models import AccountId, BookId
from tillroll.server import Server, free_port

SECRET = "a-secret-that-only-these-tests-know-of"
SETTINGS = {"max_connections": "100", "shared_buffers": "64MB"}


def token(user_id: str, **claims: object) -> str:
    """A signed-in user's token."""
    told = {"sub": user_id, "role": "authenticated", **claims}
    return jwt.encode(told, SECRET, "HS256")


@dataclass
class Gateway:
    """One gateway process.

    Attributes:
        url: Its root, which is the API itself: a client's `rest_path` is empty.
        said: What it wrote to stderr since.
    """

    process: subprocess.Popen[str]
    url: str
    said: list[str] = field(default_factory=list)

    def stop(self) -> None:
        """End it as an operator would; does nothing where it has gone."""
        self.process.terminate()
        self.process.wait(20)


@contextmanager
def gateway(
    db_uri: str,
    *,
    port: int = 0,
    retry_aborted: bool = False,
    pool: int = 10,
    prepared: bool = True,
) -> Iterator[Gateway]:
    """A gateway before the database that `db_uri` names, through a proxy maybe.

    Args:
        port: Of the gateway; 0: a free one.
        retry_aborted: It repeats 40001 and 40P01 for ever, as PostgREST 14 does.
        prepared: It prepares its statements, as PostgREST does by default.
    """
    command = [
        *(sys.executable, "-P", "-m", "tillroll.local.gateway"),
        *("--db-uri", db_uri, "--schemas", "ledger", "--anon-role", "anon"),
        *("--jwt-secret", SECRET, "--port", str(port), "--pool", str(pool)),
        *(["--retry-aborted"] if retry_aborted else []),
        *([] if prepared else ["--no-prepared-statements"]),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            # It may talk of its troubles first, where the way to Postgres is a bad one.
            said = [process.stderr.readline()]
            while said[-1] and "listening on" not in said[-1]:
                said.append(process.stderr.readline())
            assert said[-1], "".join(said)
            made = Gateway(process, said.pop().rsplit(" ", 1)[1].strip(), said)
            # A gateway that talks of its troubles would block on a pipe that nobody reads.
            reader = threading.Thread(target=made.said.extend, args=[process.stderr], daemon=True)
            reader.start()
            try:
                yield made
            finally:
                process.kill()
                reader.join()
        finally:
            process.kill()


@dataclass
class Bank:
    """A book whose owner is `user_id`, with accounts that hold the same at first.

    Attributes:
        world: Where the money came from; it may go as far below zero as need be.
        funds: What each of the accounts began with, in minor units.
    """

    database: Database
    user_id: str
    book_id: BookId
    world: AccountId
    accounts: list[AccountId]
    funds: int

    def dsn(self, port: int | None = None) -> str:
        """Connection URL that acts as the user, as PostgREST would; through `port` maybe."""
        claims = json.dumps({"sub": self.user_id, "role": "authenticated"}, separators=(",", ":"))
        options = quote(f"-c role=authenticated -c request.jwt.claims={claims}")
        return f"{self.login(port)}?options={options}"

    def login(self, port: int | None = None) -> str:
        """Connection URL of the role that a gateway signs in as; through `port` maybe."""
        direct = self.database.dsn("authenticator")
        if port is not None:
            direct = direct.replace(f":{self.database.server.port}/", f":{port}/")
        return direct

    def token(self, **claims: object) -> str:
        """The user's token."""
        return token(self.user_id, **claims)

    def is_quiet(self) -> bool:
        """Whether nothing that came as a user, through a gateway or not, is still executed."""
        with self.database.connect() as owner:
            sessions = owner.execute(
                "select from pg_stat_activity where usename = 'authenticator'"
            ).fetchall()
        return not sessions

    def is_idle(self) -> bool:
        """Whether no session executes anything, or is within a transaction."""
        with self.database.connect("supabase_admin") as admin:
            sessions = admin.execute(
                "select from pg_stat_activity where datname = current_database()"
                " and backend_type = 'client backend' and pid <> pg_backend_pid()"
                " and state <> 'idle'"
            ).fetchall()
        return not sessions

    def balances(self) -> dict[AccountId, int]:
        """What each account holds, in minor units."""
        return self._sums("balances", "posted")

    def wrong(self, moved: Mapping[AccountId, int]) -> list[str]:
        """Accounts that do not hold their funds and what was moved, by balance or by entries."""
        balances, entries = self.balances(), self._sums("entries", "amount")
        return [
            f"{account}: balance {balances[account]}, entries {entries[account]}, not {expected}"
            for account in self.accounts
            for expected in [self.funds + moved.get(account, 0)]
            if (balances[account], entries[account]) != (expected, expected)
        ]

    def _sums(self, table: str, column: str) -> dict[AccountId, int]:
        with self.database.connect() as owner:
            return dict(
                owner.execute(
                    f"select account_id, sum({column})::bigint from ledger_private.{table}"
                    " where book_id = %s group by 1",
                    [self.book_id],
                ).fetchall()
            )

    def broken(self) -> list[str]:
        """The checks of the book that do not hold."""
        with self.database.connect() as owner:
            rows = owner.execute(
                "select check_name, ok from ledger.verify_book(%s)", [self.book_id]
            ).fetchall()
        assert rows, "a book of which nothing is checked"
        return [str(name) for name, ok in rows if ok is not True]


def open_bank(database: Database, accounts: int, funds: int) -> Bank:
    """Make a user, her book and its accounts, each with a floor of zero."""
    user_id, book_id = str(uuid.uuid4()), BookId(uuid.uuid4())
    world, *customers = (AccountId(uuid.uuid4()) for _ in range(accounts + 1))
    with database.connect() as owner:
        owner.execute("insert into auth.users (id) values (%s)", [user_id])
        owner.execute("select ledger.create_book('Bank', 'EUR', id => %s)", [book_id])
        owner.execute("select ledger.set_member(%s, %s, 'owner')", [book_id, user_id])
        opening = "select ledger.open_account(%s, %s, %s, 'EUR', id => %s)"
        owner.execute(opening, [book_id, "world", "equity", world])
        for number, account in enumerate(customers):
            owner.execute(opening, [book_id, f"customer {number}", "asset", account])
            owner.execute(
                "select ledger.transfer(%s, %s, %s, %s)", [book_id, world, account, funds]
            )
    return Bank(database, user_id, book_id, world, customers, funds)


@dataclass
class Stage:
    """A server that keeps what it commits, on a port that stays the same over restarts."""

    server: Server
    database: Database
    folder: Path = field(default_factory=Path)

    def restart(self) -> None:
        """Start the server again, after it was killed or stopped."""
        self.server.stop()
        self.server.start()

    def wait_until_up(self, seconds: float = 60) -> None:
        """Return once a connection is accepted and answers."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with psycopg.connect(self.database.dsn(), connect_timeout=5) as asked:
                    asked.execute("select 1")
                return
            except psycopg.Error:
                assert time.monotonic() < deadline, "the server does not come back"
                time.sleep(0.05)


@contextmanager
def stage(settings: Mapping[str, str] | None = None, folder: Path | None = None) -> Iterator[Stage]:
    """A migrated database on a durable server of its own, gone afterwards.

    Args:
        folder: For its data; a temporary one where None.
    """
    with TemporaryDirectory(prefix="tillroll-reliability-") as made:
        home = folder or Path(made)
        home.chmod(0o755)
        server = Server(
            home / "server", port=free_port(), settings={**SETTINGS, **(settings or {})}
        )
        server.start()
        try:
            yield Stage(server, Cluster(server).database("ledger"), home)
        finally:
            server.stop()
