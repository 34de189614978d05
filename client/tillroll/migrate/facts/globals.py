"""Queries on what stands in no schema, and on what is noted of anything.

Each gives the schemas, the owner, the identity, and the properties as a JSON object.
"""

from __future__ import annotations

from tillroll.migrate.facts.scope import hidden, ordered, unbrought

__all__ = ["globals_of"]


def _owned(catalog: str, prefix: str, properties: str) -> str:
    """Return the query on a catalog of things that stand in no schema and have an owner."""
    owner, name = f"x.{prefix}owner::regrole", f"quote_ident(x.{prefix}name)"
    return _made(catalog, name, f"'owner', {owner}, {properties}", f"{owner}::text")


def _made(catalog: str, identity: str, properties: str, owner: str = "null") -> str:
    """Return the query on a catalog without schemas; `x` is a row that a user made."""
    return f"""
        select '{{}}'::text[], {owner}, {identity}, jsonb_build_object({properties})
        from {catalog} as x where x.oid >= 16384 and {unbrought(catalog, "x")}"""


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


# Since 16 there is more to tell of a subscription; its connection only superusers may read.
_SUBSCRIBED = {
    16: ", 'origin', x.suborigin, 'password required', x.subpasswordrequired, "
    "'run as owner', x.subrunasowner",
    17: ", 'failover', x.subfailover",
}


def globals_of(major: int) -> dict[str, str]:
    """Return the queries for a server's major version."""
    subscribed = "".join(more for since, more in _SUBSCRIBED.items() if major >= since)
    return {
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
        "cast": _made(
            "pg_cast",
            "x.castsource::regtype || ' as ' || x.casttarget::regtype",
            """'function', nullif(x.castfunc, 0)::regprocedure, 'context', x.castcontext,
            'method', x.castmethod""",
        ),
        "transform": _made(
            "pg_transform",
            "x.trftype::regtype || ' for ' || (select quote_ident(l.lanname) from pg_language as l "
            "where l.oid = x.trflang)",
            "'from', x.trffromsql, 'to', x.trftosql",
        ),
        "access method": _made(
            "pg_am", "quote_ident(x.amname)", "'type', x.amtype, 'handler', x.amhandler"
        ),
        "language": _owned(
            "pg_language",
            "lan",
            """'trusted', x.lanpltrusted, 'handler', nullif(x.lanplcallfoid, 0)::regproc,
            'inline', nullif(x.laninline, 0)::regproc,
            'validator', nullif(x.lanvalidator, 0)::regproc""",
        ),
        "event trigger": _owned(
            "pg_event_trigger",
            "evt",
            f"""'event', x.evtevent, 'enabled', x.evtenabled,
            'function', x.evtfoid::regprocedure, 'tags', {ordered("x.evttags")}""",
        ),
        "foreign data wrapper": _owned(
            "pg_foreign_data_wrapper",
            "fdw",
            f"""'handler', nullif(x.fdwhandler, 0)::regproc,
            'validator', nullif(x.fdwvalidator, 0)::regproc, 'options', {hidden("x.fdwoptions")}""",
        ),
        "foreign server": _owned(
            "pg_foreign_server",
            "srv",
            f"""'type', x.srvtype, 'version', x.srvversion, 'options', {hidden("x.srvoptions")},
            'wrapper', (select w.fdwname from pg_foreign_data_wrapper as w where w.oid = x.srvfdw)
            """,
        ),
        "publication": _owned(
            "pg_publication",
            "pub",
            """'all tables', x.puballtables, 'insert', x.pubinsert, 'update', x.pubupdate,
            'delete', x.pubdelete, 'truncate', x.pubtruncate, 'via root', x.pubviaroot,
            'generated columns', nullif(to_jsonb(x) ->> 'pubgencols', 'n')""",
        ),
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
                    'publications', {ordered("x.subpublications")}{subscribed})
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
        "depends on extension": _noted(
            "select n.classid, n.objid, n.objsubid, quote_ident(e.extname), '{}'::jsonb "
            "from pg_depend as n join pg_extension as e "
            "on n.refclassid = 'pg_extension'::regclass and e.oid = n.refobjid "
            "where n.deptype = 'x'"
        ),
    }
