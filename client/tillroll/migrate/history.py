"""The history table, in the Supabase CLI's format, and connections to it."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict

from tillroll.migrate.errors import ConnectionFailed, LockContention, UsageError

__all__ = ["Deadline", "access", "connect", "ensure", "is_loopback", "lock", "read", "record"]

_POOLER_PORT = "6543"
_MADE_BY_ANOTHER = (
    pg.UniqueViolation,
    pg.DuplicateSchema,
    pg.DuplicateTable,
    pg.DuplicateColumn,
    pg.DeadlockDetected,
    pg.LockNotAvailable,
    pg.InternalError_,  # "tuple concurrently updated"
)
# The CLI's own steps, so that a table made by an older CLI is completed as the CLI completes it.
_CREATE = """
    create schema if not exists supabase_migrations;
    create table if not exists supabase_migrations.schema_migrations
        (version text not null primary key);
    alter table supabase_migrations.schema_migrations add column if not exists statements text[];
    alter table supabase_migrations.schema_migrations add column if not exists name text;
"""
_READY = """
    select count(*) = 3
    from pg_catalog.pg_attribute as a
    where a.attrelid = pg_catalog.to_regclass('supabase_migrations.schema_migrations')
        and not a.attisdropped
        and a.attname in ('version', 'statements', 'name')
"""


class Deadline:
    """Waiting on the client, with jitter, up to a moment.

    Args:
        seconds: From now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._pause = 0.02

    def wait(self, error: Exception, what: str) -> None:
        """Sleep a little more than the time before.

        Raises:
            LockContention: The deadline has passed.
        """
        if time.monotonic() >= self._end:
            raise LockContention(
                f"{what}: {str(error).strip()}\n"
                "Nothing of it was applied. See who holds the lock (pg_stat_activity, pg_locks) "
                "and run `up` again, or wait longer with --wait."
            ) from error
        time.sleep(self._pause * random.uniform(0.5, 1.5))
        self._pause = min(self._pause * 1.6, 1.0)


def connect(dsn: str) -> psycopg.Connection:
    """Open a connection in autocommit mode.

    Raises:
        UsageError: The URL is malformed.
        ConnectionFailed: There is no answer, or it is a transaction pooler's port.
    """
    if _POOLER_PORT in str(_parts(dsn).get("port") or os.environ.get("PGPORT", "")).split(","):
        raise ConnectionFailed(
            "port 6543 is a transaction pooler, which gives no session to a migration: "
            "use the direct connection or the session pooler (port 5432)"
        )
    try:
        return psycopg.connect(
            dsn,
            autocommit=True,
            prepare_threshold=None,
            client_encoding="utf8",
            fallback_application_name="tillroll migrate",
        )
    except psycopg.OperationalError as error:
        raise ConnectionFailed(f"cannot connect: {str(error).strip()}") from error


def is_loopback(dsn: str) -> bool:
    """Whether every host of a URL is this machine.

    Raises:
        UsageError: The URL is malformed.
    """
    parts = _parts(dsn)
    hosts = str(
        parts.get("hostaddr")
        or parts.get("host")
        or os.environ.get("PGHOSTADDR")
        or os.environ.get("PGHOST", "")
    ).split(",")
    return all(_is_local(host) for host in hosts)


def ensure(conn: psycopg.Connection, deadline: Deadline) -> None:
    """Make the history where it is missing; any number of runners may do so at once.

    Raises:
        LockContention: Others were in the way until the deadline.
    """
    while not _value(conn, _READY):
        try:
            with conn.transaction():
                conn.execute("set local lock_timeout = '2s'")
                conn.execute(_CREATE)
        except _MADE_BY_ANOTHER as error:
            deadline.wait(error, "the history table could not be made")


def read(conn: psycopg.Connection) -> frozenset[str]:
    """Return the applied versions; none where there is no history yet."""
    if (
        _value(conn, "select pg_catalog.to_regclass('supabase_migrations.schema_migrations')")
        is None
    ):
        return frozenset()
    rows = conn.execute("select version from supabase_migrations.schema_migrations").fetchall()
    return frozenset(row[0] for row in rows)


def lock(conn: psycopg.Connection) -> None:
    """Lock the history for this transaction, without waiting in the server.

    It lets readers pass, and keeps out other runners and the CLI's insert.

    Raises:
        psycopg.errors.LockNotAvailable: Somebody else has it.
    """
    conn.execute(
        "lock table supabase_migrations.schema_migrations in share row exclusive mode nowait"
    )


def record(conn: psycopg.Connection, version: str, name: str, statements: Sequence[str]) -> None:
    """Insert a history row, as the role that the session began with, whatever the file set."""
    conn.execute("reset role")
    conn.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements) "
        "values (%s, %s, %s)",
        (version, name, [*statements]),
    )


@contextlib.contextmanager
def access() -> Iterator[None]:
    """Around work on the history: tell a missing right or a lost server as what it is.

    Raises:
        UsageError: The role may not make, read or lock the history.
        ConnectionFailed: The connection was lost.
    """
    try:
        yield
    except pg.InsufficientPrivilege as error:
        raise UsageError(
            f"the history of migrations is closed to this role: {str(error).strip()}\n"
            "Connect as the role that owns the database (on Supabase: postgres)."
        ) from error
    except psycopg.OperationalError as error:
        if isinstance(error, pg.LockNotAvailable):
            raise
        raise ConnectionFailed(f"the connection was lost: {str(error).strip()}") from error


def _parts(dsn: str) -> dict[str, object]:
    with contextlib.suppress(psycopg.ProgrammingError):
        parts: dict[str, object] = dict(conninfo_to_dict(dsn))
        # A password with / or @ in it ends up in the port or in the host.
        if (
            all(each.isdecimal() for each in str(parts.get("port", "")).split(",") if each)
            and "@" not in str(parts.get("host", ""))[1:]
        ):
            return parts
    # What libpq says is left out, also as a cause: it quotes the URL, with its password.
    raise UsageError(
        "the database URL is malformed: write it like postgresql://USER@HOST:5432/DATABASE, "
        "with what is special in a password as %XX"
    )


def _is_local(host: str) -> bool:
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _value(conn: psycopg.Connection, query: str) -> object:
    row = conn.execute(query).fetchone()
    return row[0] if row else None
