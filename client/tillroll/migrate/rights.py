"""The authorization matrix of one database, read from its catalog."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from tillroll.migrate.access import reaches

__all__ = ["ROWS", "Facts", "read_rights"]

Facts = dict[str, dict[str, dict[str, str]]]  # object, what about it, whom or what, how much
ROWS = ("none", "policy", "trigger", "all rows")  # each more than the one before
_COMMANDS = {"select": "r", "insert": "a", "update": "w", "delete": "d"}

# object, aspect, item, value
_PLAIN = """
with given as (select * from unnest(%(names)s::text[], %(roles)s::text[]) as r (name, role)),
own as (
    select n.*, quote_ident(n.nspname) as name from pg_namespace as n
    where n.nspname = any (%(schemas)s)
)
select 'schema ' || n.name, v.verb, r.name, 'yes'
from own as n, given as r, (values ('usage'), ('create')) as v (verb)
where has_schema_privilege(r.role, n.oid, v.verb)
union all
select format('sequence %%s.%%I', n.name, c.relname), v.verb, r.name, 'yes'
from own as n, given as r, pg_class as c, (values ('usage'), ('select'), ('update')) as v (verb)
where c.relnamespace = n.oid and c.relkind = 'S'
    and has_schema_privilege(r.role, n.oid, 'usage')
    and has_sequence_privilege(r.role, c.oid, v.verb)
union all
select f.name, x.aspect, x.item, x.value
from own as n
cross join lateral (
    select p.*, format('%%s %%s.%%I(%%s)',
            case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end,
            n.name, p.proname, oidvectortypes(p.proargtypes)) as name,
        array(select r.name from given as r
            where has_schema_privilege(r.role, n.oid, 'usage')
                and has_function_privilege(r.role, p.oid, 'execute')) as callers
    from pg_proc as p
    where p.pronamespace = n.oid and p.prorettype not in (
            'trigger'::regtype, 'event_trigger'::regtype)
        and not exists (
            select from pg_depend as d
            where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
) as f
cross join lateral (
    select 'execute', unnest(f.callers), 'yes'
    union all
    select 'runs', 'as', format('%%s, search_path %%s', f.proowner::regrole,
        case when exists (select from unnest(f.proconfig) as c where c ^@ 'search_path=')
            then 'pinned' else 'open' end)
    where f.prosecdef and f.callers <> '{}'
) as x (aspect, item, value)
union all
select 'role ' || r.name, 'may become', quote_ident(p.rolname),
    case when pg_has_role(r.role, p.oid, 'usage') then 'yes, and has its rights' else 'yes' end
from given as r, pg_roles as p
where p.rolname <> r.role and pg_has_role(r.role, p.oid, 'member')
"""
# Every relation that is not Postgres's own: a view may lead to any of them.
_RELATIONS = """
select c.oid, n.nspname as schema, format('%I.%I', n.nspname, c.relname) as name,
    case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end as kind,
    c.relowner as owner, c.relowner::regrole::text as owner_name,
    c.relrowsecurity as secured, c.relforcerowsecurity as forced,
    coalesce((select o.option_value::boolean from pg_options_to_table(c.reloptions) as o
        where o.option_name = 'security_invoker'), false) as invoker,
    case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as query,
    array(select v.verb
        from (values ('insert', 4), ('delete', 8), ('update', 16)) as v (verb, bit)
        where exists (select from pg_trigger as t
            where t.tgrelid = c.oid and t.tgtype & 64 = 64 and t.tgtype & v.bit = v.bit)
    ) as instead_of,
    array(select json_build_object('oid', d.refobjid::bigint,
            'columns', string_agg(quote_ident(a.attname), ', ' order by a.attnum))
        from pg_rewrite as r
        join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
            and d.refclassid = 'pg_class'::regclass and d.refobjid <> c.oid and d.refobjid >= 16384
        left join pg_attribute as a
            on a.attrelid = d.refobjid and a.attnum = d.refobjsubid and d.refobjsubid > 0
        where r.ev_class = c.oid and r.rulename = '_RETURN'
        group by d.refobjid) as bases,
    array(select json_build_object('name', p.polname, 'command', p.polcmd,
            'permissive', p.polpermissive, 'roles', p.polroles::bigint[],
            'using', pg_get_expr(p.polqual, p.polrelid),
            'check', pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid),
            'text', concat_ws(' ',
                case when p.polpermissive then 'permissive' else 'restrictive' end,
                case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                    when 'd' then 'delete' else 'all' end,
                'to', (select string_agg(case when r = 0 then 'public' else r::regrole::text end,
                    ', ') from unnest(p.polroles) as r),
                'using ' || pg_get_expr(p.polqual, p.polrelid),
                'with check ' || pg_get_expr(p.polwithcheck, p.polrelid)))
        from pg_policy as p where p.polrelid = c.oid) as policies
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.oid >= 16384 and c.relkind in ('r', 'p', 'v', 'm', 'f')
"""
_USERS = """
select r.rolname as name, r.oid, r.rolsuper or r.rolbypassrls as bypasses,
    array(select o.oid from pg_roles as o where pg_has_role(r.oid, o.oid, 'usage')) as has
from pg_roles as r
"""
_SCHEMAS = """
select n.nspname from pg_namespace as n
where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'supabase_migrations')
"""


def read_rights(
    conn: psycopg.Connection, roles: dict[str, str], platforms: frozenset[str]
) -> Facts:
    """Return the matrix, sorted.

    Args:
        conn: Within `as_roles`.
        roles: The real role of each name.
        platforms: Schemas to leave out.
    """
    schemas = [row[0] for row in conn.execute(_SCHEMAS).fetchall() if row[0] not in platforms]
    given = {"names": [*roles], "roles": [*roles.values()], "schemas": schemas}
    catalog = _Catalog(conn)
    facts: Facts = {}

    def say(thing: str, aspect: str, item: str, value: str) -> None:
        facts.setdefault(thing, {}).setdefault(aspect, {})[item] = value

    for row in conn.execute(_PLAIN, given).fetchall():
        say(*row)
    for reach in reaches(conn, roles, schemas):
        relation = catalog.relations[reach.oid]
        rows = "yes"
        if reach.verb in _COMMANDS:
            caller = catalog.users[roles[reach.role]].oid
            rows = catalog.rows(relation.oid, reach.verb, caller, caller)
        columns = "" if reach.columns is None else f" ({', '.join(reach.columns)})"
        thing = f"{relation.kind} {relation.name}"
        say(thing, reach.verb, reach.role, rows + columns)
        # What a view reads with its owner's rights: tables, and how much of them.
        for base in [] if relation.invoker else relation.bases:
            opened = catalog.rows(base["oid"], "select", relation.owner, relation.owner)
            columns = f" ({base['columns']})" if base["columns"] else ""
            name = catalog.relations[base["oid"]].name
            say(thing, f"opens as {relation.owner_name}", name, opened + columns)
    for relation in catalog.relations.values():
        for policy in relation.policies if relation.schema in schemas else ():
            say(f"{relation.kind} {relation.name}", "policies", policy["name"], policy["text"])
    return {
        thing: {aspect: dict(sorted(items.items())) for aspect, items in sorted(aspects.items())}
        for thing, aspects in sorted(facts.items())
    }


class _Catalog:
    """Which rows of a relation a user gets.

    Args:
        conn: Within `as_roles`.
    """

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        cursor: psycopg.Cursor[Any] = conn.cursor(row_factory=namedtuple_row)
        self.relations = {row.oid: row for row in cursor.execute(_RELATIONS)}
        self.users = {row.name: row for row in cursor.execute(_USERS)}
        self._by_oid = {row.oid: row for row in self.users.values()}

    def rows(self, oid: int, verb: str, caller: int, user: int) -> str:
        """Return which rows there are for a verb.

        Args:
            oid: The relation.
            verb: `select`, `insert`, `update` or `delete`.
            caller: Who sent the statement: a view with security_invoker goes by her rights
                also where another view leads to it.
            user: As whom the relation is reached.
        """
        relation = self.relations[oid]
        if relation.kind != "view":
            return self._table_rows(relation, verb, user)
        if verb in relation.instead_of:
            return "trigger"
        bases = {base["oid"] for base in relation.bases}
        # It is written through to the one table that its columns come from.
        targets = bases & self._origins(relation.query) or bases
        reached = caller if relation.invoker else relation.owner
        found = {
            self.rows(base, verb if base in targets else "select", caller, reached)
            for base in (targets if verb == "insert" else bases)
        }
        return found.pop() if len(found) == 1 else "policy" if found else "all rows"

    def _table_rows(self, table: Any, verb: str, user: int) -> str:
        role = self._by_oid[user]
        owns = table.owner in role.has and not table.forced
        if not table.secured or owns or role.bypasses:
            return "all rows"
        applying = [
            policy
            for policy in table.policies
            if policy["command"] in ("*", _COMMANDS[verb])
            and not {0, *role.has}.isdisjoint(policy["roles"])
        ]
        conditions = {"insert": ["check"], "update": ["using", "check"]}.get(verb, ["using"])
        found = set()
        for condition in conditions:
            lets = {policy[condition] for policy in applying if policy["permissive"]}
            keeps = {policy[condition] for policy in applying if not policy["permissive"]}
            if "false" in keeps or lets <= {"false"}:
                return "none"
            found.add("true" in lets and keeps <= {"true"})
        return "all rows" if found == {True} else "policy"

    def _origins(self, query: str) -> set[int]:
        """Return the relations that a query's columns come from."""
        self._conn.pgconn.prepare(b"", query.encode())
        told = self._conn.pgconn.describe_prepared(b"")
        return {told.ftable(at) for at in range(told.nfields)}
