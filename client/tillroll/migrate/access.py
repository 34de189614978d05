"""What roles may do with relations, as Postgres itself says: it plans each statement as the role.

That way also the rights of a view's owner or caller on its tables count, and those on functions
that a view or a policy calls.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tillroll.migrate import history
from tillroll.migrate.errors import UsageError
from tillroll.migrate.files import read_folder
from tillroll.migrate.replay import replay
from tillroll.migrate.shadow import shadow

__all__ = ["Reach", "as_roles", "migrated", "reaches"]

# What the catalog alone says. A verb on columns comes with those it is granted on.
_GRANTED = """
select c.oid, format('%%I.%%I', n.nspname, c.relname), r.name, v.verb,
    array(
        select quote_ident(a.attname) from pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            and v.verb in ('select', 'insert', 'update')
            and has_column_privilege(r.role, c.oid, a.attnum, v.verb)
            and (v.verb = 'select' or pg_column_is_updatable(c.oid, a.attnum, true))
        order by a.attnum),
    v.verb not in ('select', 'insert', 'update') or not exists (
        select from pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            and not has_column_privilege(r.role, c.oid, a.attnum, v.verb))
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
cross join unnest(%(names)s::text[], %(roles)s::text[]) as r (name, role)
cross join (values
    ('select', 0), ('insert', 8), ('update', 4), ('delete', 16),
    ('truncate', 0), ('references', 0), ('trigger', 0)
) as v (verb, bit)
where n.nspname = any (%(schemas)s)
    and c.relkind = any (case when v.verb in ('truncate', 'references', 'trigger')
        then '{r,p}' else '{r,p,v,m,f}' end::"char"[])
    and pg_relation_is_updatable(c.oid, true) & v.bit = v.bit
    and has_schema_privilege(r.role, n.oid, 'usage')
    and (has_table_privilege(r.role, c.oid, v.verb)
        or v.verb in ('select', 'insert', 'update', 'references')
            and has_any_column_privilege(r.role, c.oid, v.verb))
    and not exists (
        select from pg_depend as d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 2, 4, 3
"""


@dataclass(frozen=True)
class Reach:
    """What a role may do with a relation.

    Attributes:
        oid: The relation's.
        relation: Its name, with its schema.
        columns: Those that the verb may name; None where that is every one.
    """

    oid: int
    relation: str
    role: str
    verb: str
    columns: tuple[str, ...] | None


@contextlib.contextmanager
def migrated(
    folder: Path, platform: Path | None, db_url: str | None
) -> Iterator[tuple[psycopg.Connection, frozenset[str]]]:
    """Build a throw-away database from migrations; give it, and the platform's schemas.

    Args:
        folder: The migrations.
        platform: What is there before any of them.
        db_url: A superuser's URL of a server to make it on; else one is started.

    Raises:
        UsageError: The folder or a file is not usable.
        GateFailed: A migration does not apply.
        ConnectionFailed: There is no server.
    """
    files = read_folder(folder).files
    with shadow(platform, db_url) as server, server.database() as dsn, history.connect(dsn) as conn:
        query = "select nspname from pg_catalog.pg_namespace where nspname <> 'public'"
        before = frozenset(row[0] for row in conn.execute(query).fetchall())
        replay(dsn, files)
        yield conn, before


@contextlib.contextmanager
def as_roles(conn: psycopg.Connection, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Open a superuser's transaction, undone at the end, in which `public` is a role too.

    Gives the real role of each name: that of `public` is one that has no rights of its own.

    Raises:
        UsageError: There is no role of that name.
    """
    known = {row[0] for row in conn.execute("select rolname from pg_catalog.pg_roles").fetchall()}
    roles = {name: name for name in dict.fromkeys(names) if name != "public"}
    if unknown := sorted(roles.keys() - known):
        raise UsageError(
            f"there is no role {unknown[0]} on the shadow: the platform's files make the roles"
        )
    with conn.transaction(force_rollback=True):
        conn.execute("set local role none; set local search_path = ''; set local jit = off")
        if "public" in names:
            roles["public"] = f"tillroll_public_{secrets.token_hex(6)}"
            conn.execute(sql.SQL("create role {}").format(sql.Identifier(roles["public"])))
        yield roles


def reaches(
    conn: psycopg.Connection, roles: Mapping[str, str], schemas: Sequence[str]
) -> tuple[Reach, ...]:
    """Return what roles may do with the tables and views of schemas, by relation, verb and role.

    Args:
        conn: Within `as_roles`.
        roles: What that gave.
        schemas: Their names.
    """
    given = {"names": [*roles], "roles": [*roles.values()], "schemas": [*schemas]}
    found = []
    for oid, name, role, verb, columns, every in conn.execute(_GRANTED, given).fetchall():
        reach: tuple[str, ...] | None = None if every else tuple(columns)
        if verb in _STATEMENTS and not _allowed(conn, roles[role], name, verb, columns):
            reach = tuple(
                column for column in columns if _allowed(conn, roles[role], name, verb, [column])
            )
        if reach != ():
            found.append(Reach(oid, name, role, verb, reach))
    return tuple(found)


_STATEMENTS = {
    "select": "select {names} from {relation}",
    "insert": "insert into {relation} ({names}) values ({defaults})",
    "update": "update {relation} set ({names}) = row ({defaults})",
    "delete": "delete from {relation}",
}


def _allowed(
    conn: psycopg.Connection, role: str, relation: str, verb: str, columns: Sequence[str]
) -> bool:
    """Whether Postgres would begin to execute a statement; it checks that to explain it too."""
    statement = _STATEMENTS[verb].format(
        relation=relation,
        names=", ".join(columns),
        defaults=", ".join(["default"] * len(columns)),
    )
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            conn.execute(f"explain {statement}".encode())
    except psycopg.errors.InsufficientPrivilege:
        return False
    except psycopg.Error:
        return True  # what else is wrong with it is no matter of rights
    return True
