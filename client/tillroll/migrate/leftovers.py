"""What a concurrent statement left behind that did not come to its end."""

from __future__ import annotations

import psycopg
from psycopg import sql

from tillroll.migrate.parser import Concurrent, Statement, concurrent

__all__ = ["index_state", "is_ahead", "mend"]

# What REINDEX CONCURRENTLY leaves, of a table or of an index of it.
_BROKEN = """
    select n.nspname, c.relname
    from pg_catalog.pg_index as i
    join pg_catalog.pg_class as c on c.oid = i.indexrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'
        and i.indrelid in (
            select unnest(array[t.oid, p.relid])
            from (select coalesce(max(o.indrelid), %(oid)s) as oid
                from pg_catalog.pg_index as o where o.indexrelid = %(oid)s) as t
            left join lateral pg_catalog.pg_partition_tree(t.oid) as p on true)
"""


def index_state(conn: psycopg.Connection, statement: Statement) -> bool | None:
    """Return whether the index that a statement creates is valid; None where there is none."""
    about = concurrent(statement)
    if about is None or about.action != "create":
        return None
    row = conn.execute(
        "select i.indisvalid from pg_catalog.pg_index as i where i.indexrelid = %s",
        (_oid(conn, _index(conn, about)),),
    ).fetchone()
    return row[0] if row else None


def is_ahead(conn: psycopg.Connection, statement: Statement) -> bool:
    """Whether that is so already which a concurrent statement is to bring about."""
    about = concurrent(statement)
    if about is None or about.action == "reindex":
        return False
    if about.action == "create":
        return _oid(conn, _index(conn, about)) is not None
    if about.action == "drop":
        return _oid(conn, about.name) is None
    return _pending(conn, about) is None


def mend(conn: psycopg.Connection, statement: Statement) -> bool:
    """Clear up after a statement that was begun; return whether it has come to its end.

    Args:
        conn: In autocommit mode.
        statement: What was begun.
    """
    about = concurrent(statement)
    if about is None:
        return False
    if about.action == "create":
        valid = index_state(conn, statement)
        if valid is False:
            _drop(conn, _index(conn, about))
        return valid is True
    oid = _oid(conn, about.name)
    if about.action == "drop":
        return oid is None
    if about.action == "reindex":
        for broken in conn.execute(_BROKEN, {"oid": oid}).fetchall():
            _drop(conn, broken)
        return False
    return _is_detached(conn, about)


def _is_detached(conn: psycopg.Connection, about: Concurrent) -> bool:
    """Finish a detachment that is pending; return whether the partition is none any more."""
    pending = _pending(conn, about)
    if pending:
        conn.execute(
            sql.SQL("alter table {} detach partition {} finalize").format(
                sql.Identifier(*about.table), sql.Identifier(*about.name)
            )
        )
    return pending is not False


def _pending(conn: psycopg.Connection, about: Concurrent) -> bool | None:
    """Return whether the detachment of a partition is pending; None where it is none."""
    row = conn.execute(
        "select i.inhdetachpending from pg_catalog.pg_inherits as i "
        "where i.inhrelid = %s and i.inhparent = %s",
        (_oid(conn, about.name), _oid(conn, about.table)),
    ).fetchone()
    return row[0] if row else None


def _index(conn: psycopg.Connection, about: Concurrent) -> tuple[str, ...]:
    """Return the full name of an index that is created: it stands in its table's schema."""
    row = conn.execute(
        "select n.nspname from pg_catalog.pg_class as c "
        "join pg_catalog.pg_namespace as n on n.oid = c.relnamespace where c.oid = %s",
        (_oid(conn, about.table),),
    ).fetchone()
    return (*(row or ()), about.name[-1])


def _drop(conn: psycopg.Connection, name: tuple[str, ...]) -> None:
    conn.execute(sql.SQL("drop index concurrently {}").format(sql.Identifier(*name)))


def _oid(conn: psycopg.Connection, name: tuple[str, ...]) -> int | None:
    if not name:
        return None
    quoted = sql.Identifier(*name).as_string(conn)
    row = conn.execute("select pg_catalog.to_regclass(%s)::oid", (quoted,)).fetchone()
    return row[0] if row else None
