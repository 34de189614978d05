"""Who stands in the way: sessions that block another, or that hold a table."""

from __future__ import annotations

import psycopg

from tillroll.migrate.errors import Blocker

__all__ = ["who_blocks", "who_holds"]

_COLUMNS = """
    a.pid, a.usename, nullif(a.application_name, ''), a.state,
    extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::float8,
    nullif(left(regexp_replace(a.query, '\\s+', ' ', 'g'), 100), '')
"""
_BLOCKERS = f"""
    select {_COLUMNS} from pg_catalog.pg_stat_activity as a
    where a.pid = any (pg_catalog.pg_blocking_pids(%s)) order by a.pid
"""
_HOLDERS = f"""
    select {_COLUMNS} from pg_catalog.pg_stat_activity as a
    where a.pid <> pg_catalog.pg_backend_pid() and a.pid in (
        select l.pid from pg_catalog.pg_locks as l
        where l.granted and l.mode <> 'AccessShareLock'
            and l.database = (select d.oid from pg_catalog.pg_database as d
                where d.datname = pg_catalog.current_database())
            and l.relation = pg_catalog.to_regclass(%s))
    order by a.pid
"""


def who_blocks(conn: psycopg.Connection, pid: int) -> tuple[Blocker, ...]:
    """Return the sessions that a server process waits for."""
    return tuple(Blocker(*row) for row in conn.execute(_BLOCKERS, (pid,)).fetchall())


def who_holds(conn: psycopg.Connection, relation: str) -> tuple[Blocker, ...]:
    """Return the sessions that hold more than a reader's lock on a relation."""
    return tuple(Blocker(*row) for row in conn.execute(_HOLDERS, (relation,)).fetchall())
