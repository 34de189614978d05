"""Where it is measured: accounts, callers, and pgbench as the driver."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import pq
from supabase import create_client

from tillroll.local.stack import StackInfo
from tillroll.server import find_binaries

ACCOUNTS = 1000
FUNDS = 1_000_000_000
SINGLE = ACCOUNTS + 1  # an account of equity with one slot
SLOTTED = ACCOUNTS + 2  # one with 16
SCALE = 16  # of pgbench: above its number of clients


def account_id(number: int) -> str:
    """Id of the n-th account: pgbench has to be able to write it, too."""
    return f"00000000-0000-7000-8000-{number:012d}"


def sql_id(number: str) -> str:
    """The same in SQL, of an integer expression."""
    return f"('00000000-0000-7000-8000-' || lpad(({number})::text, 12, '0'))::uuid"


def as_user(user_id: str) -> str:
    """Connection options under which a session acts as a signed-in user."""
    claims = json.dumps({"sub": user_id, "role": "authenticated"}, separators=(",", ":"))
    return f"-c role=authenticated -c request.jwt.claims={claims}"


def one(connection: psycopg.Connection, statement: str, *arguments: object) -> object:
    """The single value of a query."""
    row = connection.execute(statement, arguments).fetchone()
    assert row is not None
    return row[0]


class Caller:
    """A user's session whose prepared calls are timed with next to no Python around them."""

    def __init__(self, dsn: str, user_id: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True, options=as_user(user_id))

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def prepare(self, name: str, statement: str) -> None:
        """Parse a statement with $1, $2 …"""
        self._check(self._connection.pgconn.prepare(name.encode(), statement.encode()))

    def call(self, name: str, arguments: Sequence[bytes]) -> float:
        """Seconds from sending a prepared call to having its whole answer, which has rows."""
        started = time.perf_counter()
        answer = self._connection.pgconn.exec_prepared(name.encode(), arguments)
        taken = time.perf_counter() - started
        self._check(answer)
        if answer.ntuples == 0:
            raise SystemExit(f"{name} answered with no rows")
        return taken

    def _check(self, answer: pq.abc.PGresult) -> None:
        if answer.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise SystemExit(f"refused: {answer.error_message.decode()}")


class Stage:
    """A stack with a funded book, a user who edits it, and pgbench's own tables."""

    def __init__(self, info: StackInfo) -> None:
        self.info = info
        signed = create_client(info.api_url, info.anon_key).auth.sign_up(
            {"email": f"{uuid.uuid4()}@example.org", "password": "a good password"}
        )
        assert signed.user is not None
        assert signed.session is not None
        self.user_id = signed.user.id
        self.token = signed.session.access_token
        with psycopg.connect(info.owner_url, autocommit=True) as owner:
            self.book_id = str(one(owner, "select id from ledger.create_book('Bench', 'EUR')"))
            owner.execute(
                "select ledger.set_member(%s, %s, 'editor')", [self.book_id, self.user_id]
            )
            self._open(owner)
        subprocess.run(
            [str(find_binaries() / "pgbench"), "-i", "-q", "-s", str(SCALE), info.db_url],
            check=True,
            capture_output=True,
        )
        with psycopg.connect(info.db_url, autocommit=True) as admin:
            admin.execute("vacuum analyze")

    def _open(self, owner: psycopg.Connection) -> None:
        def account(number: int, name: str, kind: str, slots: int) -> None:
            owner.execute(
                "select ledger.open_account(%s, %s, %s, 'EUR', id => %s, slots => %s)",
                [self.book_id, name, kind, account_id(number), slots],
            )

        account(0, "world", "equity", 1)
        account(SINGLE, "single", "equity", 1)
        account(SLOTTED, "slotted", "equity", 16)
        for number in range(1, ACCOUNTS + 1):
            account(number, f"asset {number}", "asset", 1)
            owner.execute(
                "select ledger.transfer(%s, %s, %s, %s)",
                [self.book_id, account_id(0), account_id(number), FUNDS],
            )

    def caller(self) -> Caller:
        """A session of the user's."""
        return Caller(self.info.db_url, self.user_id)

    def pgbench(self, *arguments: str, clients: int, seconds: int, ours: bool) -> float:
        """Transactions per second of one run; `ours`: as the user, else as superuser."""
        done = subprocess.run(
            [
                str(find_binaries() / "pgbench"),
                *("-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2))),
                *("-T", str(seconds), *arguments, self.info.db_url),
            ],
            env={**os.environ, "PGOPTIONS": as_user(self.user_id) if ours else ""},
            capture_output=True,
            text=True,
            check=False,
        )
        rates = [line for line in done.stdout.splitlines() if line.startswith("tps")]
        if done.returncode or not rates:
            raise SystemExit(f"pgbench failed: {done.stderr}")
        return float(rates[0].split()[2])

    def scripts(self, folder: Path) -> dict[str, Path]:
        """pgbench scripts: random pairs, and one account that is in every transfer."""
        call = f"select ledger.transfer('{self.book_id}', {{}}, {{}}, :n, uuidv7()::text);\n"
        draw = f"\\set a random(1, {ACCOUNTS})\n\\set n random(1, 100)\n"
        other = f"\\set b 1 + (:a + random(0, {ACCOUNTS - 2})) % {ACCOUNTS}\n"
        texts = {"uniform": draw + other + call.format(sql_id(":a"), sql_id(":b"))}
        for name, number in (("single", SINGLE), ("slotted", SLOTTED)):
            # Both ways: the others have a floor.
            gives = call.format(sql_id(":a"), f"'{account_id(number)}'")
            takes = call.format(f"'{account_id(number)}'", sql_id(":a"))
            turn = "\\set d random(0, 1)\n"
            texts[name] = f"{draw}{turn}\\if :d\n{gives}\\else\n{takes}\\endif\n"
        paths = {name: folder / f"{name}.sql" for name in texts}
        for name, path in paths.items():
            path.write_text(texts[name])
        return paths

    def sound(self) -> bool:
        """Whether every check of the book holds."""
        with psycopg.connect(self.info.owner_url) as owner:
            return verified(owner, self.book_id)


def verified(connection: psycopg.Connection, book_id: str) -> bool:
    """Whether every check of a book holds."""
    return one(connection, "select bool_and(ok) from ledger.verify_book(%s)", book_id) is True
