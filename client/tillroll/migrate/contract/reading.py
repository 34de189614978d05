"""The contract of one database, read from its catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg

from tillroll.migrate.access import reaches
from tillroll.migrate.contract.shapes import Contract
from tillroll.migrate.lockfile import Aspects

__all__ = ["read_contract"]

_OWN = """
with recursive own as (
    select n.oid, n.nspname, quote_ident(n.nspname) as name from pg_namespace as n
    where n.nspname = any (%(schemas)s)
),
given as (select * from unnest(%(names)s::text[], %(roles)s::text[]) as r (name, role)),
brought as (select d.classid, d.objid from pg_depend as d where d.deptype = 'e'),
arg as (
    -- The only argument of a function may be the whole body: it is named by what that is.
    select p.oid, x.n, format_type(x.type, null) as type, coalesce(p.proargmodes[x.n], 'i') as mode,
        coalesce(nullif(p.proargnames[x.n], ''),
            format('(%%s)', replace(format_type(x.type, null), 'jsonb', 'json'))) as name,
        coalesce(p.proargnames[x.n], '') = '' as unnamed,
        pg_get_function_arg_default(p.oid, x.n::integer) as default
    from pg_proc as p
    join own on own.oid = p.pronamespace
    cross join unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]))
        with ordinality as x (type, n)
),
func as (
    select p.*, own.name || '.' || quote_ident(p.proname) as name
    from pg_proc as p
    join own on own.oid = p.pronamespace
    where p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
        -- PostgREST calls no function with an unnamed argument, but for one that takes a whole body
        and (not exists (select from arg
                where arg.oid = p.oid and arg.unnamed and arg.mode in ('i', 'b', 'v'))
            or p.pronargs = 1 and p.proargtypes[0] in (
                'json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'xml'::regtype,
                'bytea'::regtype))
        and not exists (select from brought as b
            where b.classid = 'pg_proc'::regclass and b.objid = p.oid)
),
rel as (
    select c.*, own.name || '.' || quote_ident(c.relname) as name
    from pg_class as c
    join own on own.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and not exists (select from brought as b
        where b.classid = 'pg_class'::regclass and b.objid = c.oid)
)
"""
# Each gives names, and aspects as JSON; null where there is nothing to say.
_SCHEMAS = """
select own.name, json_build_object('usage',
    (select json_object_agg(given.name, 'yes' order by given.name) from given
        where has_schema_privilege(given.role, own.oid, 'usage')))
from own order by 1
"""
_FUNCTIONS = """
select func.name, json_build_object(
    'is', json_strip_nulls(json_build_object(
        'returns',
        concat(case when func.proretset then 'setof ' end, format_type(func.prorettype, null)),
        'security', case when func.prosecdef then 'definer' else 'invoker' end,
        'volatility',
        case func.provolatile when 'v' then 'volatile' when 's' then 'stable' else 'immutable' end,
        'variadic', case when func.provariadic <> 0 then 'yes' end)),
    'arguments', (select json_object_agg(arg.name, arg.type order by arg.n) from arg
        where arg.oid = func.oid and arg.mode in ('i', 'b', 'v')),
    'defaults', (select json_object_agg(arg.name, arg.default order by arg.n) from arg
        where arg.oid = func.oid and arg.default is not null),
    'columns', (select json_object_agg(arg.name, arg.type order by arg.n) from arg
        where arg.oid = func.oid and arg.mode in ('o', 'b', 't')),
    'execute', (select json_object_agg(given.name, 'yes' order by given.name) from given
        where has_schema_privilege(given.role, func.pronamespace, 'usage')
            and has_function_privilege(given.role, func.oid, 'execute')),
    'settings', (select json_object_agg(split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)
            order by s)
        from unnest(func.proconfig) as s))
from func order by func.name, oidvectortypes(func.proargtypes)
"""
_RELATIONS = """
select rel.name, json_build_object(
    'is', json_build_object(
        'kind',
        case rel.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
        'security', case when rel.relkind in ('v', 'm') then
                case when exists (select from pg_options_to_table(rel.reloptions) as o
                    where o.option_name = 'security_invoker' and o.option_value::boolean)
                    then 'invoker' else 'definer' end
            when rel.relforcerowsecurity and rel.relrowsecurity then 'row security forced'
            when rel.relrowsecurity then 'row security on' else 'row security off' end),
    'columns', json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod) order by a.attnum)
        filter (where a.attname is not null),
    'not null', json_object_agg(a.attname, 'yes' order by a.attnum) filter (where a.attnotnull),
    'required', json_object_agg(a.attname, 'yes' order by a.attnum)
        filter (where a.attnotnull and not a.atthasdef and a.attidentity = ''))
from rel
left join pg_attribute as a on a.attrelid = rel.oid and a.attnum > 0 and not a.attisdropped
group by rel.name, rel.relkind, rel.reloptions, rel.relforcerowsecurity, rel.relrowsecurity
order by rel.name
"""
_TYPES = """,
used (oid) as (
    select unnest(coalesce(func.proallargtypes, func.proargtypes::oid[]) || func.prorettype)
    from func
    union
    select a.atttypid from pg_attribute as a join rel on rel.oid = a.attrelid where a.attnum > 0
    union
    select x.oid
    from used
    join pg_type as t on t.oid = used.oid
    cross join lateral (
        values (t.typelem), (t.typbasetype)
        union all
        select a.atttypid from pg_attribute as a
        where a.attrelid = nullif(t.typrelid, 0) and a.attnum > 0 and not a.attisdropped
    ) as x (oid)
)
select format_type(t.oid, null), json_build_object(
    'fields', (select json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)
            order by a.attnum)
        from pg_attribute as a
        where a.attrelid = nullif(t.typrelid, 0) and a.attnum > 0 and not a.attisdropped),
    'labels', (select json_object_agg(e.enumlabel, 'yes' order by e.enumsortorder)
        from pg_enum as e where e.enumtypid = t.oid),
    'is', case when t.typtype = 'd'
        then json_build_object('base', format_type(t.typbasetype, t.typtypmod)) end,
    'checks', (select json_object_agg(c.text, 'yes' order by c.text) from (
        select pg_get_constraintdef(c.oid) from pg_constraint as c where c.contypid = t.oid
        union
        select 'NOT NULL' where t.typtype = 'd' and t.typnotnull
    ) as c (text)))
from used join pg_type as t on t.oid = used.oid
where t.typtype in ('c', 'd', 'e') and t.oid >= 16384
    and not exists (select from rel where rel.oid = nullif(t.typrelid, 0))
order by 1
"""


def read_contract(
    conn: psycopg.Connection, roles: Mapping[str, str], schemas: Sequence[str]
) -> Contract:
    """Return the contract of the exposed schemas.

    Args:
        conn: Within `as_roles`.
        roles: What that gave.
        schemas: Their names; those that are missing are left out.
    """

    def rows(query: str) -> list[tuple[str, Aspects]]:
        given = {"names": [*roles], "roles": [*roles.values()], "schemas": [*schemas]}
        return [
            (name, {aspect: items for aspect, items in aspects.items() if items})
            for name, aspects in conn.execute(_OWN + query, given).fetchall()
        ]

    functions: dict[str, list[Aspects]] = {}
    for name, aspects in rows(_FUNCTIONS):
        functions.setdefault(name, []).append(aspects)
    relations = dict(rows(_RELATIONS))
    for reach in reaches(conn, roles, schemas):
        if reach.verb in ("select", "insert", "update", "delete"):
            whole = "yes" if reach.verb == "delete" else "every column"
            granted = whole if reach.columns is None else ", ".join(reach.columns)
            relations[reach.relation].setdefault(reach.verb, {})[reach.role] = granted
    return Contract(functions, dict(rows(_SCHEMAS)), relations, dict(rows(_TYPES)))
