"""What there is at one moment, as a session sees it from within its transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args

import psycopg

from tillroll.migrate.parser import Statement

__all__ = ["MODES", "Mode", "Relation", "State", "look", "planned_scans"]

Mode = Literal[
    "AccessShare",
    "RowShare",
    "RowExclusive",
    "ShareUpdateExclusive",
    "Share",
    "ShareRowExclusive",
    "Exclusive",
    "AccessExclusive",
]
MODES: tuple[Mode, ...] = get_args(Mode)
# What this session has told the server and what it has yet to tell add up at any moment. VACUUM
# reads a table without counting as a scan.
_RELATIONS = """
    select
        c.oid,
        n.nspname,
        c.relname,
        pg_catalog.format('%I.%I', n.nspname, c.relname),
        c.relkind::text,
        coalesce(i.indrelid, (
            select h.inhparent from pg_catalog.pg_inherits as h
            where h.inhrelid = c.oid and c.relispartition
        )),
        pg_catalog.pg_relation_filenode(c.oid),
        pg_catalog.pg_stat_get_numscans(c.oid) + pg_catalog.pg_stat_get_xact_numscans(c.oid)
            + pg_catalog.pg_stat_get_vacuum_count(c.oid),
        coalesce(m.amname::text, '')
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    left join pg_catalog.pg_index as i on i.indexrelid = c.oid
    left join pg_catalog.pg_am as m on m.oid = c.relam
    where c.relkind in ('r', 'p', 'm', 'v', 'S', 'f', 'i', 'I')
        and n.nspname not in ('pg_catalog', 'pg_toast', 'information_schema')
"""
_LOCKS = """
    select l.relation, pg_catalog.replace(l.mode, 'Lock', '')
    from pg_catalog.pg_locks as l
    where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation' and l.database <> 0
"""
_EXPLAINED = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE TABLE AS"}
_KEYS = """
    select c.oid, c.conrelid, c.confrelid
    from pg_catalog.pg_constraint as c
    where c.contype = 'f' and c.conparentid = 0 and c.convalidated
"""


class Relation(NamedTuple):
    """A relation at one moment.

    Attributes:
        schema: Where it is, unquoted; `bare` is its name alone.
        name: Both, quoted where they need it.
        kind: As in pg_class.relkind.
        of: The table of an index, the parent of a partition.
        filenode: Of its file; None where it has none.
        scans: How often it was read.
        method: Of access.
    """

    oid: int
    schema: str
    bare: str
    name: str
    kind: str
    of: int | None
    filenode: int | None
    scans: int
    method: str

    @property
    def is_index(self) -> bool:
        """Whether it is an index, of a partitioned table or not."""
        return self.kind in {"i", "I"}


class State(NamedTuple):
    """What there is at one moment.

    Attributes:
        relations: By oid; no system catalogs.
        locks: Relations with the modes of their locks, as places in `MODES`.
        keys: The validated foreign keys, each with its two tables.
    """

    relations: dict[int, Relation]
    locks: frozenset[tuple[int, int]]
    keys: frozenset[tuple[int, int, int]]


def look(conn: psycopg.Connection) -> State:
    """Return what there is now, and what this session holds of it."""
    relations = [Relation(*row) for row in conn.execute(_RELATIONS)]
    locks = frozenset((oid, MODES.index(mode)) for oid, mode in conn.execute(_LOCKS))
    keys = frozenset((key, table, other) for key, table, other in conn.execute(_KEYS))
    return State({each.oid: each for each in relations}, locks, keys)


def planned_scans(conn: psycopg.Connection, statement: Statement, now: State) -> frozenset[int]:
    """Return the tables that a statement would read as a whole, by its plan.

    Where one side of a join is empty, the other is not read, and so does not count as scanned.
    """
    if statement.moves_data not in _EXPLAINED:
        return frozenset()
    plan = conn.execute(f"explain (verbose, format json) {statement.text}".encode()).fetchone()
    names = set(_scanned(plan))
    return frozenset(
        oid for oid, each in now.relations.items() if (each.schema, each.bare) in names
    )


def _scanned(plan: Any) -> Iterator[tuple[str, str]]:
    """Give schema and name of what a plan reads by a sequential scan."""
    if isinstance(plan, dict):
        if plan.get("Node Type") == "Seq Scan":
            yield plan["Schema"], plan["Relation Name"]
        plan = plan.values()
    if not isinstance(plan, str | int | float | None):
        for part in plan:
            yield from _scanned(part)
