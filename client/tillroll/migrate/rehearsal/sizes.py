"""How big a database's tables are: read without reading a row of them, kept as a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import errors as pg

from tillroll.migrate import history
from tillroll.migrate.errors import LockContention
from tillroll.migrate.rehearsal.kept import load

__all__ = [
    "IndexSize",
    "RunningTransaction",
    "Sizes",
    "TableSize",
    "load_sizes",
    "read_sizes",
    "server_version",
    "sizes_of",
]

TableKind = Literal["table", "materialized view", "partitioned table"]
SMALL_ROWS = 10_000
SMALL_BYTES = 8 * 1024 * 1024
_BEGIN = "set transaction isolation level repeatable read, read only; set local lock_timeout = '2s'"
# Rows as the planner counts them: the last known density on the present number of pages; where
# nothing is known yet, the density that the columns' types suggest. A partitioned table is the sum
# of its partitions.
_TABLES = """
    with stored as (
        select
            c.oid,
            c.reltuples < 0 or (c.relpages = 0 and size.heap > 0) as estimated,
            round(case
                when c.reltuples >= 0 and c.relpages > 0
                    then c.reltuples::float8 / c.relpages * (size.heap / size.block)
                else size.heap / size.block * ((size.block - 24) / (28 + width.bytes))
            end)::bigint as rows,
            size.heap,
            coalesce(pg_catalog.pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) as toast,
            pg_catalog.pg_stat_get_numscans(c.oid) + (
                select coalesce(sum(pg_catalog.pg_stat_get_numscans(i.indexrelid)), 0)
                from pg_catalog.pg_index as i
                where i.indrelid = c.oid
            ) as reads,
            pg_catalog.pg_stat_get_tuples_inserted(c.oid)
                + pg_catalog.pg_stat_get_tuples_updated(c.oid)
                + pg_catalog.pg_stat_get_tuples_deleted(c.oid) as writes
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        cross join lateral (
            select
                pg_catalog.pg_relation_size(c.oid) as heap,
                pg_catalog.current_setting('block_size')::bigint as block
        ) as size
        cross join lateral (
            select coalesce(sum(case when a.attlen > 0 then a.attlen else 32 end), 0) as bytes
            from pg_catalog.pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        ) as width
        where c.relkind in ('r', 'm') and c.relpersistence <> 't'
            and n.nspname not in ('pg_catalog', 'information_schema')
    )
    select
        pg_catalog.format('%I.%I', n.nspname, c.relname),
        case c.relkind
            when 'p' then 'partitioned table' when 'm' then 'materialized view' else 'table'
        end,
        sum(s.rows)::bigint, bool_or(s.estimated), sum(s.heap)::bigint, sum(s.toast)::bigint,
        sum(s.reads)::bigint, sum(s.writes)::bigint
    from stored as s
    cross join lateral (
        select s.oid
        union
        select a.relid from pg_catalog.pg_partition_ancestors(s.oid) as a (relid)
    ) as part
    inner join pg_catalog.pg_class as c on c.oid = part.oid
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    group by c.oid, c.relname, c.relkind, n.nspname
    order by 1
"""
_INDEXES = """
    select
        pg_catalog.format('%I.%I', n.nspname, c.relname),
        x.relname,
        pg_catalog.pg_relation_size(i.indexrelid)
    from pg_catalog.pg_index as i
    inner join pg_catalog.pg_class as x on x.oid = i.indexrelid and x.relkind = 'i'
    inner join pg_catalog.pg_class as c on c.oid = i.indrelid and c.relkind in ('r', 'm')
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    order by 1, 2
"""
_RUNNING = """
    select a.pid, a.usename::text, a.application_name, a.state,
        extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::float8
    from pg_catalog.pg_stat_activity as a
    where a.datname = pg_catalog.current_database() and a.pid <> pg_catalog.pg_backend_pid()
        and a.xact_start is not null
    order by a.xact_start
    limit 10
"""
_HIDDEN = """
    select count(*)
    from pg_catalog.pg_stat_activity as a
    where a.datname = pg_catalog.current_database() and a.query = '<insufficient privilege>'
"""
_SINCE = """
    select d.stats_reset from pg_catalog.pg_stat_database as d
    where d.datname = pg_catalog.current_database()
"""


@dataclass(frozen=True)
class IndexSize:
    """An index, and its bytes on disk."""

    name: str
    bytes: int


@dataclass(frozen=True)
class TableSize:
    """A table; a partitioned one is the sum of its partitions, which are there too.

    Attributes:
        relation: Schema and name, quoted where they need it.
        kind: What it is.
        rows: About how many.
        estimated: Whether it was never analyzed, so that `rows` comes from its pages alone.
        heap_bytes: Without TOAST and indexes.
        toast_bytes: Of long values, with their index.
        reads: Scans of it or of an index, since the counters began.
        writes: Rows inserted, updated and deleted since then.
        indexes: By name; none for a partitioned table.
    """

    relation: str
    kind: TableKind
    rows: int
    estimated: bool
    heap_bytes: int
    toast_bytes: int
    reads: int
    writes: int
    indexes: tuple[IndexSize, ...]

    @property
    def small(self) -> bool:
        """Whether nothing that is done to it takes long."""
        return self.rows < SMALL_ROWS and self.heap_bytes + self.toast_bytes < SMALL_BYTES


@dataclass(frozen=True)
class RunningTransaction:
    """A transaction that was open meanwhile; migrations may have to wait for it.

    Attributes:
        pid: Of its server process.
        role: Its role.
        application: What it calls itself.
        state: `active`, `idle in transaction` …; None where this role may not see it.
        seconds: Since it began.
    """

    pid: int
    role: str | None
    application: str | None
    state: str | None
    seconds: float


@dataclass(frozen=True)
class Sizes:
    """How big a database's tables are, and what else a rehearsal wants to know of it.

    Attributes:
        server_version: Such as 17.10.
        taken_at: When, in UTC.
        counted_since: When the counters of reads and writes began; None where never reset.
        applied: The versions of its history; None where this role may not read it.
        tables: By name.
        transactions: The ten oldest that were open.
        hidden_sessions: How many sessions this role may not look into.
    """

    server_version: str
    taken_at: str
    counted_since: str | None
    applied: tuple[str, ...] | None
    tables: tuple[TableSize, ...]
    transactions: tuple[RunningTransaction, ...]
    hidden_sessions: int


def read_sizes(conn: psycopg.Connection) -> Sizes:
    """Read the sizes in a read-only transaction; a role without any right on the tables can.

    Args:
        conn: In autocommit mode, outside of a transaction.

    Raises:
        LockContention: A table is locked against everybody.
        ConnectionFailed: The connection was lost.
    """
    try:
        with history.access(), conn.transaction():
            conn.execute(_BEGIN)
            indexes = defaultdict(list)
            for relation, name, size in conn.execute(_INDEXES).fetchall():
                indexes[relation].append(IndexSize(name, size))
            tables = tuple(
                TableSize(name, kind, rows, guess, heap, toast, reads, writes, (*indexes[name],))
                for name, kind, rows, guess, heap, toast, reads, writes in conn.execute(_TABLES)
            )
            since = _value(conn, _SINCE)
            return Sizes(
                server_version(conn),
                datetime.now(UTC).isoformat(timespec="seconds"),
                since.astimezone(UTC).isoformat(timespec="seconds") if since else None,
                _applied(conn),
                tables,
                tuple(RunningTransaction(*row) for row in conn.execute(_RUNNING).fetchall()),
                _value(conn, _HIDDEN),
            )
    except pg.LockNotAvailable as error:
        raise LockContention(
            "a table is locked against everybody, so its size cannot be read now: try again"
        ) from error


def sizes_of(dsn: str) -> Sizes:
    """Read the sizes of a database's tables.

    Raises:
        ConnectionFailed: It cannot be reached.
        LockContention: A table is locked against everybody.
    """
    with history.connect(dsn) as conn:
        return read_sizes(conn)


def load_sizes(path: Path) -> Sizes:
    """Read what `stats` wrote.

    Raises:
        UsageError: The file cannot be read, or is something else.
    """
    return load(path, _sizes, "stats")


def server_version(conn: psycopg.Connection) -> str:
    """Return a server's version, such as 17.10."""
    return f"{conn.info.server_version // 10000}.{conn.info.server_version % 10000}"


def _sizes(told: dict[str, Any]) -> Sizes:
    applied = told["applied"]
    return Sizes(
        **{
            **told,
            "applied": None if applied is None else tuple(applied),
            "tables": tuple(map(_table, told["tables"])),
            "transactions": tuple(RunningTransaction(**each) for each in told["transactions"]),
        }
    )


def _table(told: Mapping[str, Any]) -> TableSize:
    return TableSize(**{**told, "indexes": tuple(IndexSize(**each) for each in told["indexes"])})


def _applied(conn: psycopg.Connection) -> tuple[str, ...] | None:
    try:
        with conn.transaction():
            return tuple(sorted(history.read(conn)))
    except pg.InsufficientPrivilege:
        return None


def _value(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0]
