"""How big a database's tables are: read without reading a row of them, kept as a file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors as pg

from tillroll.migrate import history
from tillroll.migrate.errors import LockContention
from tillroll.migrate.rehearsal.kept import load

__all__ = ["Sizes", "TableSize", "load_sizes", "read_sizes", "server_version", "sizes_of"]

SMALL_ROWS = 10_000
SMALL_BYTES = 8 * 1024 * 1024
_BEGIN = """
    set transaction isolation level repeatable read, read only;
    set local lock_timeout = '2s';
    set local search_path = ''
"""
# Rows as the planner counts them: the last known density on the present size; where nothing is
# known yet, a hundred bytes a row. A partitioned table is the sum of its partitions.
_TABLES = """
    with stored as (
        select
            c.oid,
            pg_relation_size(c.oid) as heap,
            coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) as toast,
            case when c.reltuples >= 0 and c.relpages > 0
                then c.reltuples / c.relpages / current_setting('block_size')::int else 0.01
            end as density,
            (select count(*) from pg_index as i where i.indrelid = c.oid) as indexes
        from pg_class as c
        where c.relkind in ('r', 'm') and c.relpersistence <> 't'
    )
    select
        format('%I.%I', n.nspname, c.relname),
        sum(s.heap * s.density)::bigint, sum(s.heap)::bigint, sum(s.toast)::bigint, max(s.indexes)
    from stored as s
    cross join lateral (
        select s.oid
        union
        select a.relid from pg_partition_ancestors(s.oid) as a (relid)
    ) as part
    inner join pg_class as c on c.oid = part.oid
    inner join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema')
    group by c.oid, c.relname, n.nspname
    order by 1
"""


@dataclass(frozen=True)
class TableSize:
    """A table; a partitioned one is the sum of its partitions, which are there too.

    Attributes:
        relation: Schema and name, quoted where they need it.
        rows: About how many.
        heap_bytes: Without TOAST and indexes.
        toast_bytes: Of long values, with their index.
        indexes: How many; of a partitioned table the most that a partition has.
    """

    relation: str
    rows: int
    heap_bytes: int
    toast_bytes: int
    indexes: int

    @property
    def small(self) -> bool:
        """Whether nothing that is done to it takes long."""
        return self.rows < SMALL_ROWS and self.heap_bytes + self.toast_bytes < SMALL_BYTES


@dataclass(frozen=True)
class Sizes:
    """How big a database's tables are, and what else a rehearsal wants to know of it.

    Attributes:
        server_version: Such as 17.10.
        taken_at: When, in UTC.
        applied: The versions of its history; None where this role may not read it.
        tables: By name.
    """

    server_version: str
    taken_at: str
    applied: tuple[str, ...] | None
    tables: tuple[TableSize, ...]


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
            tables = tuple(TableSize(*row) for row in conn.execute(_TABLES).fetchall())
            taken_at = datetime.now(UTC).isoformat(timespec="seconds")
            return Sizes(server_version(conn), taken_at, _applied(conn), tables)
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
    applied = None if told["applied"] is None else tuple(told["applied"])
    tables = tuple(TableSize(**each) for each in told["tables"])
    return Sizes(**{**told, "applied": applied, "tables": tables})


def _applied(conn: psycopg.Connection) -> tuple[str, ...] | None:
    try:
        with conn.transaction():
            return tuple(sorted(history.read(conn)))
    except pg.InsufficientPrivilege:
        return None
