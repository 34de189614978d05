"""The authorization matrix of one database, read from its catalog."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from tillroll.migrate.access import origins, reaches

__all__ = ["ROWS", "Facts", "read_rights"]

Facts = dict[str, dict[str, dict[str, str]]]  # object, what about it, whom or what, how much
ROWS = ("none", "policy", "trigger", "all rows")  # each more than the one before
_COMMANDS = {"select": "r", "insert": "a", "update": "w", "delete": "d"}

# object, aspect, item, value
_PLAIN = """
with given as (
    select * from unnest(%(names)s::text[], %(roles)s::text[]) as r (name, role)
    join pg_roles as p on p.rolname = r.role
),
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
select 'role ' || r.name, 'attributes', a.name, 'yes'
from given as r
cross join lateral (values
    ('superuser', r.rolsuper), ('bypasses row level security', r.rolbypassrls),
    ('creates roles', r.rolcreaterole), ('login', r.rolcanlogin)
) as a (name, has)
where a.has
union all
select 'role ' || r.name, 'may become', quote_ident(p.rolname),
    case when pg_has_role(r.role, p.oid, 'usage') then 'yes, and has its rights' else 'yes' end
from given as r, pg_roles as p
where p.rolname <> r.role and pg_has_role(r.role, p.oid, 'member') and not r.rolsuper
union all
select format('new %%s by %%s%%s', k.name, o.role::regrole, ' in ' || d.schema),
    lower(x.privilege_type),
    case x.grantee when 0 then 'public' else x.grantee::regrole::text end, 'yes'
from (
    select n.nspowner from own as n union select a.defaclrole from pg_default_acl as a
) as o (role)
cross join (values
    ('r'::"char", 'r'::"char", 'tables'), ('S', 's', 'sequences'),
    ('f', 'f', 'functions'), ('n', 'n', 'schemas')
) as k (kind, standard, name)
cross join lateral (
    select null::text, coalesce(
        (select a.defaclacl from pg_default_acl as a
        where a.defaclrole = o.role and a.defaclobjtype = k.kind and a.defaclnamespace = 0),
        acldefault(k.standard, o.role))
    union all
    select n.name, a.defaclacl
    from pg_default_acl as a join own as n on n.oid = a.defaclnamespace
    where a.defaclrole = o.role and a.defaclobjtype = k.kind
) as d (schema, acl)
cross join lateral aclexplode(d.acl) as x
where x.grantee <> o.role
"""
# Every relation that is not Postgres's own: a view may lead to any of them.
_RELATIONS = """
select c.oid, n.nspname as schema, format('%I.%I', n.nspname, c.relname) as name,
    c.relkind::text as kind,
    c.relowner as owner, c.relowner::regrole::text as owner_name,
    c.relrowsecurity as secured, c.relforcerowsecurity as forced,
    coalesce((select o.option_value::boolean from pg_options_to_table(c.reloptions) as o
        where o.option_name = 'security_invoker'), false) as invoker,
    case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as query,
    array(select v.verb
        from (values ('insert', 4), ('delete', 8), ('update', 16)) as v (verb, bit)
        where exists (select from pg_trigger as t
            where t.tgrelid = c.oid and t.tgtype & 64 = 64 and t.tgtype & v.bit = v.bit)
    ) as instead_of
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where c.oid >= 16384 and c.relkind in ('r', 'p', 'v', 'm', 'f')
"""
_BASES = """
select r.ev_class as view, d.refobjid as base,
    string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
from pg_rewrite as r
join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
    and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class and d.refobjid >= 16384
left join pg_attribute as a
    on a.attrelid = d.refobjid and a.attnum = d.refobjsubid and d.refobjsubid > 0
where r.rulename = '_RETURN'
group by 1, 2
"""
_POLICIES = """
select p.polrelid as relation, p.polname as name, p.polcmd::text as command,
    p.polpermissive as permissive, p.polroles as roles,
    pg_get_expr(p.polqual, p.polrelid) as using,
    pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid) as check,
    concat_ws(' ', case when p.polpermissive then 'permissive' else 'restrictive' end,
        case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
            when 'd' then 'delete' else 'all' end,
        'to', (select string_agg(case when r = 0 then 'public' else r::regrole::text end, ', ')
            from unnest(p.polroles) as r),
        'using ' || pg_get_expr(p.polqual, p.polrelid),
        'with check ' || pg_get_expr(p.polwithcheck, p.polrelid)) as text
from pg_policy as p
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
            caller = catalog.users[roles[reach.role]]
            rows = catalog.rows(relation.oid, reach.verb, caller, caller)
        columns = "" if reach.columns is None else f" ({', '.join(reach.columns)})"
        thing = catalog.thing(relation)
        say(thing, reach.verb, reach.role, rows + columns)
        for base, opened in catalog.opened(relation):
            say(thing, f"opens as {relation.owner_name}", base, opened)
    for oid, policies in catalog.policies.items():
        for policy in policies if catalog.relations[oid].schema in schemas else ():
            say(catalog.thing(catalog.relations[oid]), "policies", policy.name, policy.text)
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
        self.policies: dict[int, list[Any]] = {}
        for row in cursor.execute(_POLICIES):
            self.policies.setdefault(row.relation, []).append(row)
        self._bases: dict[int, list[Any]] = {}
        for row in cursor.execute(_BASES):
            self._bases.setdefault(row.view, []).append(row)
        users = conn.execute("select rolname, oid, rolsuper or rolbypassrls from pg_roles")
        found = users.fetchall()
        self.users: dict[str, int] = {name: oid for name, oid, _ in found}
        self._bypass = {oid for _, oid, bypasses in found if bypasses}
        self._has = set(
            conn.execute(
                "select a.oid, b.oid from pg_roles as a, pg_roles as b "
                "where pg_has_role(a.oid, b.oid, 'usage')"
            ).fetchall()
        )

    def thing(self, relation: Any) -> str:
        """Return how an object is called."""
        if relation.kind == "v":
            return f"view {relation.name}"
        return f"{'materialized view' if relation.kind == 'm' else 'table'} {relation.name}"

    def opened(self, relation: Any) -> list[tuple[str, str]]:
        """Return what a view reads with its owner's rights: tables, and how much of them."""
        if relation.kind not in "vm" or relation.invoker:
            return []
        return [
            (
                self.relations[base.base].name,
                self.rows(base.base, "select", relation.owner, relation.owner)
                + (f" ({base.columns})" if base.columns else ""),
            )
            for base in self._bases.get(relation.oid, ())
        ]

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
        if relation.kind != "v":
            return self._table_rows(relation, verb, user)
        if verb in relation.instead_of:
            return "trigger"
        bases = {base.base for base in self._bases.get(oid, ())}
        # It is written through to the one table that its columns come from.
        targets = bases & {base for base, _ in origins(self._conn, relation.query)} or bases
        reached = caller if relation.invoker else relation.owner
        found = {
            self.rows(base, verb if base in targets else "select", caller, reached)
            for base in (targets if verb == "insert" else bases)
        }
        return found.pop() if len(found) == 1 else "policy" if found else "all rows"

    def _table_rows(self, table: Any, verb: str, user: int) -> str:
        owns = (user, table.owner) in self._has and not table.forced
        if not table.secured or owns or user in self._bypass:
            return "all rows"
        applying = [
            policy
            for policy in self.policies.get(table.oid, ())
            if policy.command in ("*", _COMMANDS[verb])
            and any(role == 0 or (user, role) in self._has for role in policy.roles)
        ]
        conditions = {"insert": ["check"], "update": ["using", "check"]}.get(verb, ["using"])
        found = set()
        for condition in conditions:
            lets = {getattr(policy, condition) for policy in applying if policy.permissive}
            keeps = {getattr(policy, condition) for policy in applying if not policy.permissive}
            if "false" in keeps or lets <= {"false"}:
                return "none"
            found.add("true" in lets and keeps <= {"true"})
        return "all rows" if found == {True} else "policy"
