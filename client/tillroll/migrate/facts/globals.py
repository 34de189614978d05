"""Queries on what stands in no schema, and on what is noted of anything.

Each gives the schemas, the owner, the identity, and the properties as a JSON object.
"""

from __future__ import annotations

from tillroll.migrate.facts.scope import hidden, ordered

__all__ = ["GLOBALS"]


def _noted(notes: str) -> str:
    """Return the query on notes about anything: classoid, objoid, objsubid, name, properties."""
    return f"""
        select array_remove(array[s.name], null), e.extowner::regrole::text,
            concat_ws(' ', o.type, o.identity, d.name), d.properties
        from ({notes}) as d (classoid, objoid, objsubid, name, properties)
        cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) as o
        cross join lateral pg_identify_object_as_address(d.classoid, d.objoid, d.objsubid) as a
        left join pg_extension as e on e.tableoid = d.classoid and e.oid = d.objoid
        left join pg_constraint as c on c.tableoid = d.classoid and c.oid = d.objoid
        cross join lateral (select coalesce(
            o.schema, e.extnamespace::regnamespace::text, c.connamespace::regnamespace::text,
            case when d.classoid in ('pg_namespace'::regclass, 'pg_trigger'::regclass,
                'pg_policy'::regclass, 'pg_rewrite'::regclass) then quote_ident(a.object_names[1])
            end) as name) as s
        where (d.objoid >= 16384 or d.objoid = to_regnamespace('public'))
            and (s.name is null or s.name in (select space.name from space))
            and o.identity is not null
            and not exists (select from member
                where member.classid = d.classoid and member.objid = d.objoid)"""


GLOBALS = {
    "server": """
        select '{}'::text[], null, 'version', jsonb_build_object(
            'major', current_setting('server_version_num')::int / 10000)""",
    "database": """
        select '{}'::text[], x.datdba::regrole::text, 'this one', jsonb_build_object(
            'owner', x.datdba::regrole, 'connections', x.datconnlimit,
            'comment', shobj_description(x.oid, 'pg_database'))
        from pg_database as x where x.datname = current_database()""",
    "setting": f"""
        select '{{}}'::text[], null, coalesce(nullif(x.setrole, 0)::regrole::text, 'every role')
                || ' ' || split_part(each.s, '=', 1),
            jsonb_build_object('value', {hidden("array[each.s]")} -> 0)
        from pg_db_role_setting as x cross join lateral unnest(x.setconfig) as each (s)
        where x.setdatabase = (
            select d.oid from pg_database as d where d.datname = current_database())""",
    "schema": """
        select array[space.name], space.nspowner::regrole::text, space.name,
            jsonb_build_object('owner', space.nspowner::regrole)
        from space where not exists (select from member
            where member.classid = 'pg_namespace'::regclass and member.objid = space.oid)""",
    "extension": """
        select array[x.extnamespace::regnamespace::text], x.extowner::regrole::text,
            quote_ident(x.extname), jsonb_build_object(
                'version', x.extversion, 'schema', x.extnamespace::regnamespace)
        from pg_extension as x""",
    "user mapping": f"""
        select '{{}}'::text[], s.srvowner::regrole::text,
            quote_ident(x.usename) || ' on ' || quote_ident(x.srvname),
            jsonb_build_object('options', {hidden("x.umoptions", "'.'")})
        from pg_user_mappings as x join pg_foreign_server as s on s.oid = x.srvid""",
    "subscription": f"""
        select '{{}}'::text[], x.subowner::regrole::text, quote_ident(x.subname),
            jsonb_build_object('owner', x.subowner::regrole, 'enabled', x.subenabled,
                'binary', x.subbinary, 'stream', left(x.substream::text, 1),
                'two-phase', x.subtwophasestate <> 'd', 'disable on error', x.subdisableonerr,
                'slot', x.subslotname, 'synchronous commit', x.subsynccommit,
                'publications', {ordered("x.subpublications")})
        from pg_subscription as x
        where x.subdbid = (
            select d.oid from pg_database as d where d.datname = current_database())""",
    "comment": _noted(
        "select n.classoid, n.objoid, n.objsubid, null, "
        "jsonb_build_object('text', n.description) from pg_description as n"
    ),
    "security label": _noted(
        "select n.classoid, n.objoid, n.objsubid, 'by ' || n.provider, "
        "jsonb_build_object('label', n.label) from pg_seclabel as n"
    ),
}
