"""The contract of one database, read from its catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg

from tillroll.migrate.access import origins, reaches
from tillroll.migrate.contract.shapes import Contract, Function
from tillroll.migrate.lockfile import Aspects

__all__ = ["read_contract"]

_OWN = """
with recursive own as (
    select n.oid, n.nspname, quote_ident(n.nspname) as name from pg_namespace as n
    where n.nspname = any (%(schemas)s)
),
given as (select * from unnest(%(names)s::text[], %(roles)s::text[]) as r (name, role)),
brought as (select d.classid, d.objid from pg_depend as d where d.deptype = 'e'),
func as (
    select p.*, own.name || '.' || quote_ident(p.proname) as name, a.arguments
    from pg_proc as p
    join own on own.oid = p.pronamespace
    cross join lateral (
        select coalesce(json_agg(json_build_array(
            coalesce(p.proargnames[x.n], ''), format_type(x.type, null),
            coalesce(p.proargmodes[x.n], 'i'), pg_get_function_arg_default(p.oid, x.n::integer)
        ) order by x.n), '[]') as arguments,
            count(*) filter (where coalesce(p.proargmodes[x.n], 'i') in ('i', 'b', 'v')
                and coalesce(p.proargnames[x.n], '') = '') as unnamed
        from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as x (type, n)
    ) as a
    where p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
        -- PostgREST calls no function with an unnamed argument, but for one that takes a whole body
        and (a.unnamed = 0 or p.pronargs = 1 and p.proargtypes[0] in (
            'json'::regtype, 'jsonb'::regtype, 'text'::regtype, 'xml'::regtype, 'bytea'::regtype))
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
_SCHEMAS = """
select own.name, array(select given.name from given
    where has_schema_privilege(given.role, own.oid, 'usage'))
from own order by 1
"""
_FUNCTIONS = """
select func.name, func.arguments,
    concat(case when func.proretset then 'setof ' end, format_type(func.prorettype, null)),
    case func.provolatile when 'v' then 'volatile' when 's' then 'stable' else 'immutable' end,
    case when func.prosecdef then 'definer' else 'invoker' end,
    func.proconfig,
    array(select given.name from given
        where has_schema_privilege(given.role, func.pronamespace, 'usage')
            and has_function_privilege(given.role, func.oid, 'execute'))
from func order by func.name, oidvectortypes(func.proargtypes)
"""
_RELATIONS = """
select rel.oid, rel.name,
    case rel.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
    case when rel.relkind in ('v', 'm') then
            case when exists (select from pg_options_to_table(rel.reloptions) as o
                where o.option_name = 'security_invoker' and o.option_value::boolean)
                then 'invoker' else 'definer' end
        when rel.relforcerowsecurity and rel.relrowsecurity then 'row security forced'
        when rel.relrowsecurity then 'row security on' else 'row security off' end,
    (select json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            a.atthasdef or a.attidentity <> '', a.attnum) order by a.attnum)
        from pg_attribute as a
        where a.attrelid = rel.oid and a.attnum > 0 and not a.attisdropped)
from rel order by rel.name
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
select format_type(t.oid, null),
    (select json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod) order by a.attnum)
        from pg_attribute as a
        where a.attrelid = nullif(t.typrelid, 0) and a.attnum > 0 and not a.attisdropped),
    (select json_object_agg(e.enumlabel, 'yes' order by e.enumsortorder)
        from pg_enum as e where e.enumtypid = t.oid),
    case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end,
    (select json_object_agg(c.text, 'yes' order by c.text) from (
        select pg_get_constraintdef(c.oid) from pg_constraint as c where c.contypid = t.oid
        union
        select 'NOT NULL' where t.typtype = 'd' and t.typnotnull
    ) as c (text))
from used join pg_type as t on t.oid = used.oid
where t.typtype in ('c', 'd', 'e') and t.oid >= 16384
    and not exists (select from rel where rel.oid = nullif(t.typrelid, 0))
order by 1
"""
_KEYS = """
select c.conname, c.conrelid, c.conkey, c.confrelid, c.confkey, exists (
    select from pg_constraint as u
    where u.conrelid = c.conrelid and u.contype in ('p', 'u')
        and u.conkey @> c.conkey and u.conkey <@ c.conkey)
from pg_constraint as c where c.contype = 'f' and c.conparentid = 0
order by 1
"""
_VIEW = (
    "select pg_get_viewdef(c.oid) from pg_class as c where c.oid = %s and c.relkind in ('v', 'm')"
)

Columns = dict[int, dict[int, str]]  # of a table, by number: the name under which they are shown


def read_contract(
    conn: psycopg.Connection, roles: Mapping[str, str], schemas: Sequence[str]
) -> Contract:
    """Return the contract of the exposed schemas.

    Args:
        conn: Within `as_roles`.
        roles: What that gave.
        schemas: Their names; those that are missing are left out.
    """

    def rows(query: str) -> list[Any]:
        given = {"names": [*roles], "roles": [*roles.values()], "schemas": [*schemas]}
        return conn.execute(_OWN + query, given).fetchall()

    functions: dict[str, tuple[Function, ...]] = {}
    for name, *row in rows(_FUNCTIONS):
        functions[name] = (*functions.get(name, ()), _function(*row))
    relations: dict[str, Aspects] = {}
    shown: dict[str, Columns] = {}
    for oid, name, kind, security, columns in rows(_RELATIONS):
        columns = columns or []
        relations[name] = {
            "is": {"kind": kind, "security": security},
            "columns": {column: type_ for column, type_, *_ in columns},
            "not null": {each[0]: "yes" for each in columns if each[2]},
            "required": {each[0]: "yes" for each in columns if each[2] and not each[3]},
        }
        shown[name] = _shown(conn, oid, [(each[0], each[4]) for each in columns])
    for reach in reaches(conn, roles, schemas):
        if reach.verb in ("select", "insert", "update", "delete"):
            whole = "yes" if reach.verb == "delete" else "every column"
            granted = whole if reach.columns is None else ", ".join(reach.columns)
            relations[reach.relation].setdefault(reach.verb, {})[reach.role] = granted
    for name, embed, how in _embeds(conn, shown):
        relations[name].setdefault("embeds", {})[embed] = how
    types = {
        name: {"fields": fields, "labels": labels, "is": base and {"base": base}, "checks": checks}
        for name, fields, labels, base, checks in rows(_TYPES)
    }
    usage = {name: {"usage": dict.fromkeys(named, "yes")} for name, named in rows(_SCHEMAS)}
    return Contract(functions, _dense(relations), _dense(types), usage)


def _function(
    arguments: list[list[Any]],
    returns: str,
    volatility: str,
    security: str,
    settings: list[str] | None,
    execute: list[str],
) -> Function:
    taken = [each for each in arguments if each[2] in ("i", "b", "v")]
    facts = {"returns": returns, "security": security, "volatility": volatility}
    if any(each[2] == "v" for each in taken):
        facts["variadic"] = "yes"
    aspects = {
        "is": facts,
        "arguments": {name: kind for name, kind, _, _ in taken},
        "defaults": {name: default for name, _, _, default in taken if default is not None},
        "columns": {name: kind for name, kind, mode, _ in arguments if mode in ("o", "b", "t")},
        "execute": dict.fromkeys(sorted(execute), "yes"),
        "settings": dict(sorted(each.split("=", 1) for each in settings or ())),
    }
    return Function(_dense({"": aspects})[""])


def _shown(conn: psycopg.Connection, oid: int, columns: list[tuple[str, int]]) -> Columns:
    """Return which tables' columns a relation shows: a view, those that it passes on unchanged."""
    found: Columns = {}
    for name, number in columns:
        table, at = oid, number
        while query := conn.execute(_VIEW, (table,)).fetchone():
            table, at = origins(conn, query[0])[at - 1]
        if table:
            found.setdefault(table, {}).setdefault(at, name)
    return found


def _embeds(
    conn: psycopg.Connection, shown: Mapping[str, Columns]
) -> Iterator[tuple[str, str, str]]:
    """Give relation, embed and how, of each foreign key whose columns both sides show."""
    for key, table, columns, other, others, unique in conn.execute(_KEYS).fetchall():
        for name, mine in shown.items():
            for target, yours in shown.items():
                ends = mine.get(table, {}), yours.get(other, {})
                if ends[0].keys() >= set(columns) and ends[1].keys() >= set(others):
                    kind = "one to one" if unique else "many to one"
                    names = (ends[0][at] for at in columns), (ends[1][at] for at in others)
                    pairs = (f"{one} = {another}" for one, another in zip(*names, strict=True))
                    yield name, f"{target} by {key}", f"{kind}: {', '.join(pairs)}"


def _dense(facts: Mapping[str, Mapping[str, dict[str, str] | None]]) -> dict[str, Aspects]:
    """Leave out aspects about which there is nothing to say."""
    return {
        name: {aspect: items for aspect, items in aspects.items() if items}
        for name, aspects in facts.items()
    }
