"""The lab: a small server of its own, and a fresh database with a household for each act."""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from tillroll.assets import asset
from tillroll.migrate import Runner
from tillroll.server import Server

__all__ = ["DEADLOCK_TIMEOUT", "NAMES", "Lab", "LabError", "as_alice", "filled"]

DEADLOCK_TIMEOUT = 0.05  # seconds: a lab has no reason to wait a whole one
MAX_CONNECTIONS = 20  # so few that a demonstration can exhaust what is sized by it
_PASSWORD = "of-a-lab-on-loopback"
_NAME = re.compile(r"(?<![:\w]):([a-z_]+)")

_ALICE = "00000000-0000-7000-8000-00000000a11c"
NAMES = {
    "book": "00000000-0000-7000-8000-00000000b00c",
    "alice": _ALICE,
    "checking": "00000000-0000-7000-8000-0000000000c1",
    "savings": "00000000-0000-7000-8000-0000000000c2",
    "shop": "00000000-0000-7000-8000-0000000000c3",
    "world": "00000000-0000-7000-8000-0000000000c4",
    "bob": "00000000-0000-7000-8000-000000000b0b",
    "fees": "00000000-0000-7000-8000-0000000000c5",
    "hold": "00000000-0000-7000-8000-00000000001d",
}
"""What `:name` stands for in every act. alice, her book and four accounts are there, the rest are
ids for what a setup makes."""

_HOUSEHOLD = """
insert into auth.users (id) values (:alice);
select ledger.create_book('Household', 'EUR', id => :book);
select ledger.set_member(:book, :alice, 'owner');
select ledger.open_account(:book, 'checking', 'asset', 'EUR', id => :checking);
select ledger.open_account(:book, 'savings', 'asset', 'EUR', id => :savings);
select ledger.open_account(:book, 'shop', 'asset', 'EUR', id => :shop);
select ledger.open_account(:book, 'world', 'equity', 'EUR', id => :world);
select ledger.transfer(:book, :world, :checking, 100);
select ledger.transfer(:book, :world, :savings, 100);
"""


class LabError(Exception):
    """The lab could not do its work; the message says what was wrong."""


def filled(text: str, values: Mapping[str, object]) -> str:
    """Return SQL with each known `:name` replaced by its value, as a literal."""

    def literal(found: re.Match[str]) -> str:
        name = found[1]
        return Literal(values[name]).as_string(None) if name in values else found[0]

    return _NAME.sub(literal, text)


def as_alice(url: str) -> str:
    """Return the URL of a session that has alice's rights and no more, as behind PostgREST."""
    claims = json.dumps({"sub": NAMES["alice"], "role": "authenticated"}, separators=(",", ":"))
    return f"{url}?options={quote(f'-c role=authenticated -c request.jwt.claims={claims}')}"


class Lab:
    """A server for races, for `with`; everything is gone afterwards.

    Args:
        bin_dir: Of another Postgres than the wheel's.
        settings: Of the server, in place of the lab's or beside them.
        durable: Whether a commit waits for the disk, as in production.
    """

    def __init__(
        self,
        bin_dir: str | Path | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        durable: bool = False,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tillroll-races-")
        Path(self._folder.name).chmod(0o755)
        lab = {
            "max_connections": str(MAX_CONNECTIONS),
            "deadlock_timeout": f"{DEADLOCK_TIMEOUT * 1000:.0f}ms",
            "autovacuum": "off",  # nobody but the sessions may hold a lock
        }
        self._server = Server(
            self._folder.name,
            bin_dir=bin_dir,
            settings={**lab, **(settings or {})},
            durable=durable,
        )
        self._numbers = itertools.count(1)
        self.major = 0

    def __enter__(self) -> Lab:
        try:
            self._server.start()
            self._make_template()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop()
        self._folder.cleanup()

    @contextmanager
    def database(self) -> Iterator[str]:
        """A fresh database with the ledger and the household; yields its URL as superuser."""
        name = f"act_{next(self._numbers)}"
        make = SQL("create database {} template ledger strategy file_copy")
        with self._admin() as admin:
            admin.execute(make.format(Identifier(name)))
        try:
            yield self._server.dsn(name)
        finally:
            with self._admin() as admin:
                admin.execute(SQL("drop database {} with (force)").format(Identifier(name)))

    def _make_template(self) -> None:
        with self._admin() as admin:
            self.major = admin.info.server_version // 10_000
            admin.execute("create database ledger")
        with psycopg.connect(self._server.dsn("ledger"), autocommit=True) as admin:
            for file in sorted(asset("sql/platform").glob("*.sql")):
                admin.execute(file.read_bytes())
            admin.execute(f"alter role postgres password '{_PASSWORD}'")
        owner_url = self._server.dsn("ledger", "postgres", _PASSWORD)
        Runner(owner_url, asset("supabase/migrations")).up()
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute(filled(_HOUSEHOLD, NAMES).encode())

    def _admin(self) -> psycopg.Connection:
        return psycopg.connect(self._server.dsn(), autocommit=True)
