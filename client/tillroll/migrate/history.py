"""The history table, in the Supabase CLI's format, and connections to it."""

from __future__ import annotations

import contextlib
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from ipaddress import ip_address
from typing import NamedTuple, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict

from tillroll.migrate.blockers import who_holds
from tillroll.migrate.errors import (
    Blocker,
    ConnectionFailed,
    LockContention,
    MigrateError,
    UsageError,
)

__all__ = [
    "MARK",
    "PASSING",
    "TABLE",
    "Busy",
    "Deadline",
    "Mark",
    "access",
    "change",
    "clean",
    "closed",
    "columns",
    "connect",
    "ensure",
    "has_table",
    "is_loopback",
    "is_lost",
    "lock",
    "make",
    "mark",
    "milliseconds",
    "read",
    "reading",
    "record",
    "remove",
    "rename",
    "see_recorded",
]

TABLE = "supabase_migrations.schema_migrations"
_POOLER_PORT = "6543"
_OLDEST = 15
_CLEAN = (
    "reset session authorization",  # and the role with it
    "close all",
    "unlisten *",
    "select pg_catalog.pg_advisory_unlock_all()",
    "deallocate all",
    "discard temp",
    "discard sequences",
    "reset all",
)
PASSING = (pg.LockNotAvailable, pg.DeadlockDetected, pg.SerializationFailure)
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
# What the runner knows beyond that. A missing table or row is legal: the CLI was here alone.
#
# runner_file   a file that this runner applied or took over; `digest` ties the row to the
#               history's: once another tool has written that one anew, this one no longer counts.
# runner_step   the journal of a file without a transaction, until it is done; `settings` are what
#               the session had set after a step, for a later one to go on with.
# runner_lease  who works on such a file: it counts until it expires or its session has ended.
_CREATE_OURS = """
    create table if not exists supabase_migrations.runner_file (
        version text primary key,
        name text not null,
        origin text not null,
        sha256 text not null,
        meaning text not null,
        digest text not null,
        statements integer not null,
        seconds double precision,
        tool text not null,
        applied_by text not null default current_user,
        applied_at timestamptz not null default pg_catalog.now(),
        facts_before text,
        facts_after text
    );
    create table if not exists supabase_migrations.runner_step (
        version text,
        step integer,
        meaning text not null,
        done boolean not null,
        pid integer not null,
        session_start timestamptz,
        began_at timestamptz not null default pg_catalog.clock_timestamp(),
        primary key (version, step)
    );
    alter table supabase_migrations.runner_step add column if not exists settings jsonb;
    create table if not exists supabase_migrations.runner_lease (
        id boolean primary key default true check (id),
        holder uuid not null,
        version text not null,
        pid integer not null,
        session_start timestamptz,
        expires_at timestamptz not null
    );
"""
_READY = """
    select count(*) = 3
        and pg_catalog.to_regclass('supabase_migrations.runner_file') is not null
        and exists (
            select from pg_catalog.pg_attribute as s
            where s.attrelid = pg_catalog.to_regclass('supabase_migrations.runner_step')
                and s.attname = 'settings')
        and pg_catalog.to_regclass('supabase_migrations.runner_lease') is not null
    from pg_catalog.pg_attribute as a
    where a.attrelid = pg_catalog.to_regclass('supabase_migrations.schema_migrations')
        and not a.attisdropped
        and a.attname in ('version', 'statements', 'name')
"""


# Two histories with one mark hold the same versions, as far as 64 bits of hash can tell.
MARK = """
    select count(*) as size, coalesce(sum(pg_catalog.hashtextextended(h.version, 0)), 0) as total
    from supabase_migrations.schema_migrations as h
"""


class Mark(NamedTuple):
    """What a history holds, short: how many versions, and the sum of their hashes."""

    size: int
    total: Decimal


T = TypeVar("T")


class Busy(Exception):
    """Somebody is at work on what shall be changed; the message says who."""


class Deadline:
    """Waiting on the client, with jitter, up to a moment.

    Args:
        seconds: From now.

    Raises:
        UsageError: They are no time to wait.
    """

    def __init__(self, seconds: float) -> None:
        if not 0 <= seconds < math.inf:
            raise UsageError(f"{seconds} is no number of seconds to wait for locks")
        self._end = time.monotonic() + seconds
        self._pause = 0.02

    def wait(
        self,
        error: object,
        what: str,
        blockers: Callable[[], Sequence[Blocker]] = tuple,
        advice: str = "Nothing of it was applied. Try again when the lock is free, or wait "
        "longer with --wait.",
    ) -> None:
        """Sleep a little more than the time before.

        Args:
            error: Why there is something to wait for.
            what: Does not go on.
            blockers: Asked for who stands in the way, once the deadline has passed.
            advice: What to do then.

        Raises:
            LockContention: It has.
        """
        if time.monotonic() >= self._end:
            raise LockContention(f"{what}: {str(error).strip()}", blockers(), advice)
        time.sleep(self._pause * random.uniform(0.5, 1.5))
        self._pause = min(self._pause * 1.6, 1.0)


def connect(dsn: str) -> psycopg.Connection:
    """Open a connection in autocommit mode.

    Raises:
        UsageError: The URL is malformed.
        ConnectionFailed: There is no answer, it is a transaction pooler's port, or the server is
            older than 15.
    """
    if _POOLER_PORT in str(_parts(dsn).get("port") or os.environ.get("PGPORT", "")).split(","):
        raise ConnectionFailed(
            "port 6543 is a transaction pooler, which gives no session to a migration: "
            "use the direct connection or the session pooler (port 5432)"
        )
    try:
        conn = psycopg.connect(
            dsn,
            autocommit=True,
            prepare_threshold=None,
            client_encoding="utf8",
            fallback_application_name="tillroll migrate",
        )
    except psycopg.OperationalError as error:
        raise ConnectionFailed(f"cannot connect: {str(error).strip()}") from error
    # For each `conn.transaction()`: a default of repeatable read would read the history as it was
    # before the lock on it.
    conn.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    version = conn.info.server_version // 10000
    if version < _OLDEST:
        conn.close()
        raise ConnectionFailed(
            f"this server is Postgres {version}, and the oldest that is supported is {_OLDEST}: "
            "upgrade it first"
        )
    return conn


def milliseconds(seconds: float) -> str:
    """Return a time to wait as the server's settings have it; none would be for ever."""
    return str(min(max(1, round(seconds * 1000)), 2**31 - 1))


def is_lost(error: psycopg.Error) -> bool:
    """Whether an error means that the connection, and not the statement, has failed."""
    if error.sqlstate is None:  # InternalError: so psycopg tells what a pooler says of it
        return isinstance(error, psycopg.OperationalError | psycopg.InternalError)
    return error.diag.severity_nonlocalized in {"FATAL", "PANIC"}


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
    """Make the history and our tables where they are missing; any number may do so at once.

    Raises:
        LockContention: Others were in the way until the deadline.
    """
    while True:
        try:
            with conn.transaction():
                make(conn)
            return
        except _MADE_BY_ANOTHER as error:
            deadline.wait(error, "the history table could not be made")


def change(
    conn: psycopg.Connection, deadline: Deadline, do: Callable[[], T], *, dry_run: bool = False
) -> T:
    """Do something to the history, made where it is missing and locked: all of it or nothing.

    Args:
        do: Called anew, in a new transaction, whenever others were in the way.
        dry_run: Take everything back in the end.

    Raises:
        LockContention: Others were in the way until the deadline.
    """
    while True:
        try:
            with conn.transaction(force_rollback=dry_run):
                ensure(conn, deadline)
                lock(conn)
                return do()
        except (*PASSING, Busy) as error:
            deadline.wait(error, "the history is in use", lambda: who_holds(conn, TABLE))


def make(conn: psycopg.Connection) -> None:
    """Make what is missing of it, in this transaction.

    Raises:
        psycopg.Error: One of _MADE_BY_ANOTHER where somebody else does so just now.
    """
    if not _value(conn, _READY):
        conn.execute("set local lock_timeout = '2s'")
        conn.execute(_CREATE + _CREATE_OURS)


def columns(conn: psycopg.Connection) -> frozenset[str]:
    """Return the history's columns; none where there is no history yet."""
    rows = conn.execute(
        "select a.attname from pg_catalog.pg_attribute as a where a.attnum > 0 and "
        "not a.attisdropped and a.attrelid = "
        "pg_catalog.to_regclass('supabase_migrations.schema_migrations')"
    ).fetchall()
    return frozenset(row[0] for row in rows)


def has_table(conn: psycopg.Connection, name: str) -> bool:
    """Whether a table of our own is there."""
    return _value(conn, f"select pg_catalog.to_regclass('supabase_migrations.{name}')") is not None


def read(conn: psycopg.Connection) -> frozenset[str]:
    """Return the applied versions; none where there is no history yet."""
    if not columns(conn):
        return frozenset()
    rows = conn.execute("select version from supabase_migrations.schema_migrations").fetchall()
    return frozenset(row[0] for row in rows)


def mark(conn: psycopg.Connection) -> Mark:
    """Return the mark of a history that is there."""
    row = conn.execute(MARK).fetchone()
    assert row is not None
    return Mark(*row)


def lock(conn: psycopg.Connection) -> None:
    """Lock the history for this transaction, without waiting in the server.

    It lets readers pass, and keeps out other runners and the CLI's insert.

    Raises:
        psycopg.errors.LockNotAvailable: Somebody else has it.
    """
    conn.execute(
        "lock table supabase_migrations.schema_migrations in share row exclusive mode nowait"
    )


def clean(conn: psycopg.Connection) -> None:
    """Make the session what it was when it began, also inside a transaction.

    So that the next file finds nothing of this one; nor do others, to whom a pooler gives it.
    """
    for statement in _CLEAN:
        conn.execute(statement)


def record(
    conn: psycopg.Connection, version: str, name: str, statements: Sequence[str]
) -> psycopg.Cursor:
    """Insert a history row; return the cursor, for `see_recorded`."""
    return conn.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements) "
        "values (%s, %s, %s)",
        (version, name, [*statements]),
    )


def see_recorded(cursor: psycopg.Cursor) -> None:
    """See that a history row was inserted.

    Raises:
        UsageError: A trigger or a rule swallowed it: the file would be applied again and again.
    """
    if cursor.rowcount != 1:
        raise UsageError(
            f"{TABLE} does not take the row of a migration: look for triggers and rules on it"
        )


def remove(conn: psycopg.Connection, version: str) -> None:
    """Take a version out of the history, and what we know of it."""
    for table in ("schema_migrations", "runner_file"):
        conn.execute(f"delete from supabase_migrations.{table} where version = %s", (version,))


def rename(conn: psycopg.Connection, version: str, to: str, name: str) -> None:
    """Give a row of the history another version and name."""
    conn.execute(
        "update supabase_migrations.schema_migrations set version = %s, name = %s "
        "where version = %s",
        (to, name, version),
    )
    if to != version:  # what is known of it was tied to the version
        conn.execute("delete from supabase_migrations.runner_file where version = %s", (version,))


def closed(error: psycopg.Error) -> MigrateError:
    """Return the error of a role or a server that lets nobody make, read or write the history."""
    if isinstance(error, pg.ReadOnlySqlTransaction):
        return ConnectionFailed(
            "this server is read-only (a replica, or default_transaction_read_only): connect to "
            "the one that can be written to"
        )
    return UsageError(
        f"the history of migrations is closed to this role: {str(error).strip()}\n"
        "Connect as the role that owns the database (on Supabase: postgres)."
    )


@contextlib.contextmanager
def access() -> Iterator[None]:
    """Around work on the history: tell a missing right or a lost server as what it is.

    Raises:
        UsageError: The role may not make, read or lock the history.
        ConnectionFailed: The connection was lost, or the server is read-only.
    """
    try:
        yield
    except (pg.ReadOnlySqlTransaction, pg.InsufficientPrivilege) as error:
        raise closed(error) from error
    except psycopg.Error as error:
        if not is_lost(error):
            raise
        raise ConnectionFailed(f"the connection was lost: {str(error).strip()}") from error


@contextlib.contextmanager
def reading(conn: psycopg.Connection, wait: float) -> Iterator[None]:
    """Around a look at the history: who waits for a lock on it waits for so many seconds only.

    Raises:
        LockContention: Somebody has locked it against readers for that long.
        UsageError: The role may not read it.
        ConnectionFailed: The connection was lost.
    """
    try:
        with access(), conn.transaction():
            conn.execute(
                "select pg_catalog.set_config('lock_timeout', %s, true), "
                "pg_catalog.set_config('statement_timeout', '0', true)",
                (milliseconds(wait),),
            )
            yield
    except pg.LockNotAvailable as error:
        raise LockContention(
            f"the history is locked against readers: {str(error).strip()}", who_holds(conn, TABLE)
        ) from error


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
