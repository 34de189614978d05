"""A database as facts: one row for each thing that its catalog says.

Two databases are equal where their facts are. Left out: what Postgres brings, what an extension
owns, and the history of migrations.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tillroll.migrate.errors import UsageError

__all__ = ["Fact", "extract"]


@dataclass(frozen=True, order=True)
class Fact:
    """One statement of a catalog.

    Attributes:
        kind: `column`, `function`, `grants on table` …
        identity: What it is about; unique within the kind.
        definition: What it says, one property a line.
    """

    kind: str
    identity: str
    definition: str


# Every query sees these: schemas and relations of one's own, and a name for each relation.
_SCOPE = """
with own as (
    select n.oid, n.nspname, n.nspowner, n.nspacl, pg_catalog.quote_ident(n.nspname) as name
    from pg_catalog.pg_namespace as n
    where n.nspname !~ '^pg_'
        and n.nspname not in ('information_schema', 'supabase_migrations')
        and not exists (
            select from pg_catalog.pg_depend as d
            where d.classid = 'pg_catalog.pg_namespace'::regclass
                and d.objid = n.oid and d.deptype = 'e')
),
member as (
    select d.classid, d.objid from pg_catalog.pg_depend as d where d.deptype = 'e'
),
rel as (
    select c.*, own.name || '.' || pg_catalog.quote_ident(c.relname) as name
    from pg_catalog.pg_class as c
    join own on own.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
        and not exists (
            select from member
            where member.classid = 'pg_catalog.pg_class'::regclass and member.objid = c.oid)
),
func as (
    select p.*,
        own.name || '.' || pg_catalog.quote_ident(p.proname) || '('
            || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')' as name
    from pg_catalog.pg_proc as p
    join own on own.oid = p.pronamespace
    where not exists (
        select from member
        where member.classid = 'pg_catalog.pg_proc'::regclass and member.objid = p.oid)
),
typ as (
    select t.*, own.name || '.' || pg_catalog.quote_ident(t.typname) as name
    from pg_catalog.pg_type as t
    join own on own.oid = t.typnamespace
    where (t.typtype in ('d', 'e', 'r')
            or t.typtype = 'b' and t.typelem = 0
            or t.typtype = 'c' and exists (
                select from pg_catalog.pg_class as c where c.oid = t.typrelid and c.relkind = 'c'))
        and not exists (
            select from member
            where member.classid = 'pg_catalog.pg_type'::regclass and member.objid = t.oid)
)
"""

# Each gives identity and properties: a JSON object, one line a property in the definition.
_QUERIES: dict[str, str] = {
    "schema": """
        select own.name, jsonb_build_object('owner', own.nspowner::regrole) from own""",
    "relation": """
        select rel.name, jsonb_build_object(
            'kind', rel.relkind, 'owner', rel.relowner::regrole,
            'persistence', rel.relpersistence, 'access method', am.amname,
            'row security', rel.relrowsecurity, 'forced row security', rel.relforcerowsecurity,
            'options', (select jsonb_agg(o order by o) from unnest(rel.reloptions) as o),
            'replica identity', rel.relreplident, 'populated', rel.relispopulated,
            'of type', nullif(rel.reloftype, 0)::regtype,
            'partition key', pg_get_partkeydef(rel.oid),
            'partition bound', pg_get_expr(rel.relpartbound, rel.oid),
            'inherits', (select jsonb_agg(i.inhparent::regclass order by i.inhseqno)
                from pg_inherits as i where i.inhrelid = rel.oid),
            'query', case when rel.relkind in ('v', 'm') then pg_get_viewdef(rel.oid) end)
        from rel left join pg_am as am on am.oid = rel.relam""",
    "column order": """
        select rel.name, jsonb_build_object('columns', jsonb_agg(a.attname order by a.attnum))
        from rel join pg_attribute as a
            on a.attrelid = rel.oid and a.attnum > 0 and not a.attisdropped
        where rel.relkind <> 'S'
        group by rel.name""",
    "column": """
        select rel.name || '.' || quote_ident(a.attname), jsonb_build_object(
            'type', format_type(a.atttypid, a.atttypmod),
            'collation', nullif(a.attcollation, t.typcollation)::regcollation,
            'not null', a.attnotnull, 'identity', a.attidentity, 'generated', a.attgenerated,
            'default', pg_get_expr(d.adbin, d.adrelid), 'storage', a.attstorage,
            'compression', a.attcompression, 'local', a.attislocal,
            'statistics', nullif(a.attstattarget, -1), 'options', to_jsonb(a.attoptions))
        from rel
        join pg_attribute as a on a.attrelid = rel.oid and a.attnum > 0 and not a.attisdropped
        join pg_type as t on t.oid = a.atttypid
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where rel.relkind <> 'S'""",
    "constraint": """
        select coalesce(rel.name, typ.name) || ' ' || quote_ident(c.conname), jsonb_build_object(
            'definition', pg_get_constraintdef(c.oid), 'validated', c.convalidated,
            'local', c.conislocal, 'not inherited', c.connoinherit)
        from pg_constraint as c
        left join rel on rel.oid = c.conrelid
        left join typ on typ.oid = c.contypid
        where coalesce(rel.oid, typ.oid) is not null and c.contype <> 't'""",
    "index": """
        select rel.name || ' ' || quote_ident(c.relname), jsonb_build_object(
            'definition', pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid,
            'ready', i.indisready, 'clustered', i.indisclustered,
            'replica identity', i.indisreplident,
            'statistics', (select jsonb_agg(a.attstattarget order by a.attnum)
                from pg_attribute as a where a.attrelid = c.oid and a.attstattarget <> -1))
        from rel
        join pg_index as i on i.indrelid = rel.oid
        join pg_class as c on c.oid = i.indexrelid""",
    "trigger": """
        select rel.name || ' ' || quote_ident(t.tgname), jsonb_build_object(
            'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled)
        from rel join pg_trigger as t on t.tgrelid = rel.oid
        where not t.tgisinternal""",
    "rule": """
        select rel.name || ' ' || quote_ident(r.rulename), jsonb_build_object(
            'definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled)
        from rel join pg_rewrite as r on r.ev_class = rel.oid
        where r.rulename <> '_RETURN'""",
    "policy": """
        select rel.name || ' ' || quote_ident(p.polname), jsonb_build_object(
            'command', p.polcmd, 'permissive', p.polpermissive,
            'roles', (select jsonb_agg(r order by r) from (
                select case when u = 0 then 'public' else u::regrole::text end as r
                from unnest(p.polroles) as u) as named),
            'using', pg_get_expr(p.polqual, p.polrelid),
            'with check', pg_get_expr(p.polwithcheck, p.polrelid))
        from rel join pg_policy as p on p.polrelid = rel.oid""",
    "function": """
        select func.name, jsonb_build_object(
            'kind', func.prokind, 'owner', func.proowner::regrole, 'language', l.lanname,
            'arguments', pg_get_function_arguments(func.oid),
            'result', pg_get_function_result(func.oid),
            'volatility', func.provolatile, 'security definer', func.prosecdef,
            'strict', func.proisstrict, 'parallel', func.proparallel,
            'leakproof', func.proleakproof, 'cost', func.procost, 'rows', func.prorows,
            'support', nullif(func.prosupport, 0)::regproc,
            'settings', to_jsonb(func.proconfig), 'library', func.probin,
            'body', coalesce(pg_get_function_sqlbody(func.oid), func.prosrc),
            'aggregate', (select to_jsonb(a) - array['aggfnoid', 'aggtranstype', 'aggmtranstype',
                        'aggsortop'] || jsonb_build_object('state', a.aggtranstype::regtype,
                        'sort', nullif(a.aggsortop, 0)::regoperator)
                from pg_aggregate as a where a.aggfnoid = func.oid))
        from func join pg_language as l on l.oid = func.prolang""",
    "type": """
        select typ.name, jsonb_build_object(
            'kind', typ.typtype, 'owner', typ.typowner::regrole, 'not null', typ.typnotnull,
            'default', typ.typdefault, 'input', nullif(typ.typinput, 0)::regproc,
            'base', case when typ.typbasetype <> 0
                then format_type(typ.typbasetype, typ.typtypmod) end,
            'collation', nullif(typ.typcollation, 0)::regcollation,
            'labels', (select jsonb_agg(e.enumlabel order by e.enumsortorder)
                from pg_enum as e where e.enumtypid = typ.oid),
            'range of', (select r.rngsubtype::regtype from pg_range as r
                where r.rngtypid = typ.oid))
        from typ""",
    "sequence": """
        select rel.name, jsonb_build_object(
            'type', s.seqtypid::regtype, 'start', s.seqstart, 'increment', s.seqincrement,
            'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle,
            'owned by', (select d.refobjid::regclass || '.' || a.attname
                from pg_depend as d
                join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
                where d.classid = 'pg_class'::regclass and d.objid = rel.oid
                    and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')))
        from rel join pg_sequence as s on s.seqrelid = rel.oid""",
    "statistics": """
        select own.name || '.' || quote_ident(s.stxname), jsonb_build_object(
            'definition', pg_get_statisticsobjdef(s.oid), 'owner', s.stxowner::regrole)
        from pg_statistic_ext as s join own on own.oid = s.stxnamespace""",
    "comment": """
        select o.type || ' ' || o.identity, jsonb_build_object('text', d.description)
        from pg_description as d
        cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as o
        where (d.objoid >= 16384
                or d.classoid = 'pg_namespace'::regclass and d.objoid = 'public'::regnamespace)
            and o.identity is not null
            and o.identity !~ '^supabase_migrations[.]'
            and not exists (select from member
                where member.classid = d.classoid and member.objid = d.objoid)""",
    "default privileges": """
        select format('%s %s%s', d.defaclrole::regrole, d.defaclobjtype,
                coalesce(' in ' || own.name, '')),
            jsonb_build_object('grants',
                (select jsonb_agg(g::text order by g::text) from unnest(d.defaclacl) as g))
        from pg_default_acl as d
        left join own on own.oid = d.defaclnamespace
        where d.defaclnamespace = 0 or own.oid is not null""",
    "extension": """
        select quote_ident(e.extname), jsonb_build_object(
            'version', e.extversion, 'schema', e.extnamespace::regnamespace)
        from pg_extension as e""",
    "event trigger": """
        select quote_ident(e.evtname), jsonb_build_object(
            'event', e.evtevent, 'owner', e.evtowner::regrole, 'enabled', e.evtenabled,
            'function', e.evtfoid::regprocedure, 'tags', to_jsonb(e.evttags))
        from pg_event_trigger as e""",
    "publication": """
        select quote_ident(p.pubname), to_jsonb(p) - 'oid' || jsonb_build_object(
            'pubowner', p.pubowner::regrole,
            'tables', (select jsonb_agg(to_jsonb(t) order by t.schemaname, t.tablename)
                from pg_publication_tables as t where t.pubname = p.pubname))
        from pg_publication as p""",
    "setting": """
        select coalesce(nullif(s.setrole, 0)::regrole::text, 'every role'), jsonb_build_object(
            'settings', (select jsonb_agg(c order by c) from unnest(s.setconfig) as c))
        from pg_db_role_setting as s
        where s.setdatabase = (
            select d.oid from pg_database as d where d.datname = current_database())""",
    "other": """
        select o.type || ' ' || o.identity, '{}'::jsonb
        from (
            select 'pg_cast'::regclass as class, c.oid from pg_cast as c
            union all select 'pg_operator'::regclass, c.oid from pg_operator as c
            union all select 'pg_opclass'::regclass, c.oid from pg_opclass as c
            union all select 'pg_opfamily'::regclass, c.oid from pg_opfamily as c
            union all select 'pg_collation'::regclass, c.oid from pg_collation as c
            union all select 'pg_conversion'::regclass, c.oid from pg_conversion as c
            union all select 'pg_language'::regclass, c.oid from pg_language as c
            union all select 'pg_ts_config'::regclass, c.oid from pg_ts_config as c
            union all select 'pg_ts_dict'::regclass, c.oid from pg_ts_dict as c
            union all select 'pg_foreign_data_wrapper'::regclass, c.oid
                from pg_foreign_data_wrapper as c
            union all select 'pg_foreign_server'::regclass, c.oid from pg_foreign_server as c
        ) as x
        cross join lateral pg_identify_object(x.class, x.oid, 0) as o
        where x.oid >= 16384 and not exists (
            select from member where member.classid = x.class and member.objid = x.oid)""",
}

# identity, the list of grants, the list that holds where nothing was granted or revoked
_GRANTS: dict[str, str] = {
    "schema": "select own.name, own.nspacl, acldefault('n', own.nspowner) from own",
    "relation": """
        select rel.name, rel.relacl,
            acldefault(case rel.relkind when 'S' then 's' else 'r' end::"char", rel.relowner)
        from rel where rel.relkind <> 'c'""",
    "column": """
        select rel.name || '.' || quote_ident(a.attname), a.attacl, null::aclitem[]
        from rel join pg_attribute as a on a.attrelid = rel.oid
        where a.attacl is not null and not a.attisdropped""",
    "function": "select func.name, func.proacl, acldefault('f', func.proowner) from func",
    "type": "select typ.name, typ.typacl, acldefault('T', typ.typowner) from typ",
}
_EXPLODED = """
select a.name, jsonb_object_agg(a.grantee, a.privileges)
from (
    select o.name,
        case when x.grantee = 0 then 'public' else x.grantee::regrole::text end as grantee,
        jsonb_agg(x.privilege_type || case when x.is_grantable then ' with grant option' else '' end
            order by x.privilege_type, x.is_grantable) as privileges
    from (%s) as o (name, acl, standard)
    cross join lateral aclexplode(coalesce(o.acl, o.standard)) as x
    group by o.name, x.grantee
) as a
group by a.name
"""


def extract(conn: psycopg.Connection, reference: Iterable[str] = ()) -> tuple[Fact, ...]:
    """Read a database's facts, sorted.

    Args:
        conn: Its settings search_path and jit are changed.
        reference: Tables whose rows are facts too, as `schema.table`.

    Raises:
        UsageError: A name in `reference` is none.
    """
    # Without a search path Postgres writes each name with its schema; without JIT it is done in
    # milliseconds where it would compile for seconds.
    conn.execute(
        "select pg_catalog.set_config('search_path', '', false), "
        "pg_catalog.set_config('jit', 'off', false)"
    )
    queries = dict(_QUERIES)
    queries |= {f"grants on {kind}": _EXPLODED % query for kind, query in _GRANTS.items()}
    facts = [
        Fact(kind, identity, _lines(properties))
        for kind, query in queries.items()
        for identity, properties in conn.execute(_SCOPE + query).fetchall()
    ]
    for table in sorted(set(reference)):
        facts.extend(_rows(conn, table))
    return tuple(sorted(facts))


def _rows(conn: psycopg.Connection, table: str) -> list[Fact]:
    parts = table.split(".")
    if len(parts) != 2:
        raise UsageError(f"`reference rows: {table}` names no table: write schema.table")
    name = sql.Identifier(*parts)
    found = conn.execute("select to_regclass(%s)::oid", (name.as_string(conn),)).fetchone()
    if found is None or found[0] is None:
        return []
    key = [
        row[0]
        for row in conn.execute(
            "select a.attname from pg_index as i join pg_attribute as a "
            "on a.attrelid = i.indrelid and a.attnum = any (i.indkey) "
            "where i.indrelid = %s and i.indisprimary order by a.attnum",
            (found[0],),
        ).fetchall()
    ]
    facts = []
    for (row,) in conn.execute(sql.SQL("select to_jsonb(t) from {} as t").format(name)).fetchall():
        identity = {column: row[column] for column in key} or row
        facts.append(Fact("row", f"{table} {json.dumps(identity, sort_keys=True)}", _lines(row)))
    return facts


def _lines(properties: dict[str, object]) -> str:
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, sort_keys=True)}"
        for name, value in sorted(properties.items())
        if value is not None
    )
