"""Queries on relations and what belongs to them.

Each gives the schemas, the owner, the identity, and the properties as a JSON object.
"""

from __future__ import annotations

from tillroll.migrate.facts.scope import hidden, ordered

__all__ = ["RELATIONS"]

# Postgres invents a name `…_not_null` where nobody gave one; before 18 it kept none at all.
_GIVEN_NAME = "case when nn.conname !~ '_not_null[0-9]*$' then nn.conname end"

RELATIONS: dict[str, str] = {
    "relation": f"""
        select array[rel.schema], null, rel.name, jsonb_build_object(
            'kind', rel.relkind, 'owner', rel.relowner::regrole,
            'persistence', rel.relpersistence, 'access method', am.amname,
            'tablespace', ts.spcname,
            'row security', rel.relrowsecurity, 'forced row security', rel.relforcerowsecurity,
            'options', {ordered("rel.reloptions")},
            'toast options', {ordered("toast.reloptions")},
            'replica identity', rel.relreplident, 'populated', rel.relispopulated,
            'of type', nullif(rel.reloftype, 0)::regtype,
            'partition key', pg_get_partkeydef(rel.oid),
            'partition bound', pg_get_expr(rel.relpartbound, rel.oid),
            'inherits', (select jsonb_agg(i.inhparent::regclass order by i.inhseqno)
                from pg_inherits as i where i.inhrelid = rel.oid),
            'detach pending', (select true from pg_inherits as i
                where i.inhrelid = rel.oid and i.inhdetachpending),
            'query', case when rel.relkind in ('v', 'm') then pg_get_viewdef(rel.oid) end,
            'server', fs.srvname, 'foreign options', {hidden("ft.ftoptions")})
        from rel
        left join pg_am as am on am.oid = rel.relam
        left join pg_tablespace as ts on ts.oid = rel.reltablespace
        left join pg_class as toast on toast.oid = rel.reltoastrelid
        left join pg_foreign_table as ft on ft.ftrelid = rel.oid
        left join pg_foreign_server as fs on fs.oid = ft.ftserver""",
    "column order": """
        select array[rel.schema], null, rel.name,
            jsonb_build_object('columns', jsonb_agg(a.attname order by a.attnum))
        from rel join pg_attribute as a
            on a.attrelid = rel.oid and a.attnum > 0 and not a.attisdropped
        where rel.relkind <> 'S'
        group by rel.schema, rel.name""",
    "column": f"""
        select array[rel.schema], null, rel.name || '.' || quote_ident(a.attname),
            jsonb_build_object(
                'type', format_type(a.atttypid, a.atttypmod),
                'collation', nullif(a.attcollation, t.typcollation)::regcollation,
                'not null', a.attnotnull, 'not null name', {_GIVEN_NAME},
                'not null inherited', nullif(not (nn.conislocal or rel.relispartition), false),
                'not null not inherited', nullif(nn.connoinherit, false),
                'not null not validated', nullif(not nn.convalidated, false),
                'identity', a.attidentity, 'generated', a.attgenerated,
                'default', pg_get_expr(d.adbin, d.adrelid), 'storage', a.attstorage,
                'compression', a.attcompression, 'local', a.attislocal,
                'statistics', nullif(a.attstattarget, -1), 'options', {ordered("a.attoptions")},
                'foreign options', {hidden("a.attfdwoptions")})
        from rel
        join pg_attribute as a on a.attrelid = rel.oid and a.attnum > 0 and not a.attisdropped
        join pg_type as t on t.oid = a.atttypid
        left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        left join pg_constraint as nn
            on nn.conrelid = a.attrelid and nn.contype = 'n' and nn.conkey[1] = a.attnum
        where rel.relkind <> 'S'""",
    # What a partition has from its parent follows from that; its names are Postgres' own.
    "constraint": """
        select array[coalesce(rel.schema, typ.schema)], null,
            coalesce(rel.name, typ.name) || ' ' || quote_ident(c.conname), jsonb_build_object(
                'definition', pg_get_constraintdef(c.oid), 'validated', c.convalidated,
                'local', c.conislocal, 'switched off', (select true from pg_trigger as t
                    where t.tgconstraint = c.oid and t.tgisinternal and t.tgenabled <> 'O' limit 1))
        from pg_constraint as c
        left join rel on rel.oid = c.conrelid
        left join typ on typ.oid = c.contypid
        where coalesce(rel.oid, typ.oid) is not null
            and c.contype not in ('n', 't') and c.conparentid = 0""",
    "index": """
        select array[rel.schema], null,
            rel.name || ' ' || coalesce('of ' || i.inhparent::regclass, quote_ident(c.relname)),
            jsonb_build_object(
                'definition', case when i.inhparent is null then pg_get_indexdef(c.oid)
                    else replace(pg_get_indexdef(c.oid),
                        ' INDEX ' || quote_ident(c.relname) || ' ON ', ' INDEX ON ') end,
                'valid', x.indisvalid, 'ready', x.indisready, 'clustered', x.indisclustered,
                'replica identity', x.indisreplident, 'tablespace', ts.spcname,
                'statistics', (select jsonb_object_agg(a.attnum, a.attstattarget)
                    from pg_attribute as a where a.attrelid = c.oid and a.attstattarget <> -1))
        from rel
        join pg_index as x on x.indrelid = rel.oid
        join pg_class as c on c.oid = x.indexrelid
        left join pg_inherits as i on i.inhrelid = c.oid
        left join pg_tablespace as ts on ts.oid = c.reltablespace""",
    "trigger": """
        select array[held.schema, quote_ident(n.nspname)], null,
            held.name || ' ' || quote_ident(t.tgname), jsonb_build_object(
                'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled,
                'of the parent', nullif(t.tgparentid <> 0, false))
        from held
        join pg_trigger as t on t.tgrelid = held.oid
        join pg_proc as p on p.oid = t.tgfoid
        join pg_namespace as n on n.oid = p.pronamespace
        where not t.tgisinternal""",
    "rule": """
        select array[rel.schema], null, rel.name || ' ' || quote_ident(r.rulename),
            jsonb_build_object('definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled)
        from rel join pg_rewrite as r on r.ev_class = rel.oid
        where r.rulename <> '_RETURN'""",
    "policy": f"""
        select array[held.schema], null, held.name || ' ' || quote_ident(p.polname),
            jsonb_build_object(
                'command', p.polcmd, 'permissive', p.polpermissive,
                'roles', {
        ordered(
            "array(select case when u = 0 then 'public' else u::regrole::text end "
            "from unnest(p.polroles) as u)"
        )
    },
                'using', pg_get_expr(p.polqual, p.polrelid),
                'with check', pg_get_expr(p.polwithcheck, p.polrelid))
        from held join pg_policy as p on p.polrelid = held.oid""",
    "sequence": """
        select array[rel.schema], null, rel.name, jsonb_build_object(
            'type', s.seqtypid::regtype, 'start', s.seqstart, 'increment', s.seqincrement,
            'minimum', s.seqmin, 'maximum', s.seqmax, 'cache', s.seqcache, 'cycle', s.seqcycle,
            'owned by', (select d.refobjid::regclass || '.' || quote_ident(a.attname)
                from pg_depend as d
                join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
                where d.classid = 'pg_class'::regclass and d.objid = rel.oid
                    and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')))
        from rel join pg_sequence as s on s.seqrelid = rel.oid""",
    "statistics": """
        select array[space.name], null, space.name || '.' || quote_ident(s.stxname),
            jsonb_build_object('definition', pg_get_statisticsobjdef(s.oid),
                'owner', s.stxowner::regrole, 'target', nullif(s.stxstattarget, -1))
        from pg_statistic_ext as s join space on space.oid = s.stxnamespace""",
    "publication table": """
        select array[held.schema], null, quote_ident(p.pubname) || ' ' || held.name,
            jsonb_build_object(
                'where', pg_get_expr(r.prqual, r.prrelid),
                'columns', (select jsonb_agg(a.attname order by a.attnum)
                    from pg_attribute as a
                    where a.attrelid = held.oid and a.attnum = any (r.prattrs::int2[])))
        from held
        join pg_publication_rel as r on r.prrelid = held.oid
        join pg_publication as p on p.oid = r.prpubid""",
    "publication schema": """
        select array[space.name], null, quote_ident(p.pubname) || ' ' || space.name,
            '{}'::jsonb
        from space
        join pg_publication_namespace as n on n.pnnspid = space.oid
        join pg_publication as p on p.oid = n.pnpubid""",
}
