"""Queries on who may do what; each gives the schemas, the owner, the identity, the properties.

A property is a grantee, its value the privileges.
"""

from __future__ import annotations

__all__ = ["GRANTS"]

_EXPLODED = """
    select a.schemas, a.owner, a.name, coalesce(
        jsonb_object_agg(a.grantee, a.privileges) filter (where a.grantee is not null), '{}')
    from (
        select o.schemas, o.owner, o.name,
            case x.grantee when 0 then 'public' else x.grantee::regrole::text end as grantee,
            jsonb_agg(distinct x.privilege_type
                || case when x.is_grantable then ' with grant option' else '' end) as privileges
        from (%s) as o (schemas, owner, name, acl, standard)
        left join lateral aclexplode(coalesce(o.acl, o.standard)) as x on true
        group by o.schemas, o.owner, o.name, x.grantee
    ) as a
    group by a.schemas, a.owner, a.name
"""


def _global(catalog: str, prefix: str, kind: str) -> str:
    return f"""
        select '{{}}'::text[], x.{prefix}owner::regrole::text, quote_ident(x.{prefix}name),
            x.{prefix}acl, acldefault('{kind}', x.{prefix}owner)
        from {catalog} as x where x.oid >= 16384 and not exists (select from member
            where member.classid = x.tableoid and member.objid = x.oid)"""


# The list of grants, and the list that holds where nothing was granted or revoked.
_LISTS: dict[str, str] = {
    "schema": """
        select array[space.name], space.nspowner::regrole::text, space.name, space.nspacl,
            acldefault('n', space.nspowner)
        from space""",
    "relation": """
        select array[rel.schema], null, rel.name, rel.relacl,
            acldefault(case rel.relkind when 'S' then 's' else 'r' end::"char", rel.relowner)
        from rel where rel.relkind <> 'c'""",
    "column": """
        select array[held.schema], null, held.name || '.' || quote_ident(a.attname), a.attacl,
            null::aclitem[]
        from held join pg_attribute as a on a.attrelid = held.oid
        where a.attacl is not null and not a.attisdropped""",
    "function": """
        select array[func.schema], null, func.name, func.proacl, acldefault('f', func.proowner)
        from func""",
    "type": """
        select array[typ.schema], null, typ.name, typ.typacl, acldefault('T', typ.typowner)
        from typ""",
    "language": _global("pg_language", "lan", "l"),
    "foreign data wrapper": _global("pg_foreign_data_wrapper", "fdw", "F"),
    "foreign server": _global("pg_foreign_server", "srv", "S"),
    "database": """
        select '{}'::text[], d.datdba::regrole::text, 'this one', d.datacl,
            acldefault('d', d.datdba)
        from pg_database as d where d.datname = current_database()""",
    # Only where it is no longer as Postgres or the extension made it; of the information schema
    # Postgres does not note how that was.
    "what was brought": """
        select array_remove(array[o.schema], null), null, o.type || ' ' || o.identity, x.acl,
            null::aclitem[]
        from (
            select c.tableoid, c.oid, c.relacl,
                acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)
                from pg_class as c
            union all select p.tableoid, p.oid, p.proacl, acldefault('f', p.proowner)
                from pg_proc as p
            union all select t.tableoid, t.oid, t.typacl, acldefault('T', t.typowner)
                from pg_type as t
            union all select l.tableoid, l.oid, l.lanacl, acldefault('l', l.lanowner)
                from pg_language as l
            union all select w.tableoid, w.oid, w.fdwacl, acldefault('F', w.fdwowner)
                from pg_foreign_data_wrapper as w
        ) as x (tableoid, oid, acl, standard)
        left join pg_init_privs as i
            on i.classoid = x.tableoid and i.objoid = x.oid and i.objsubid = 0
        cross join lateral (select coalesce(i.initprivs, x.standard) as acl) as before
        cross join lateral pg_identify_object(x.tableoid, x.oid, 0) as o
        where x.acl is not null and not (x.acl @> before.acl and x.acl <@ before.acl)
            and o.schema is distinct from 'information_schema'
            and (x.oid < 16384 or exists (select from member
                where member.classid = x.tableoid and member.objid = x.oid))""",
}
GRANTS: dict[str, str] = {
    **{f"grants on {kind}": _EXPLODED % query for kind, query in _LISTS.items()},
    "default privileges": _EXPLODED
    % """
        select array_remove(array[space.name], null), d.defaclrole::regrole::text,
            format('%s %s%s', d.defaclrole::regrole, d.defaclobjtype, ' in ' || space.name),
            d.defaclacl, null::aclitem[]
        from pg_default_acl as d left join space on space.oid = d.defaclnamespace
        where d.defaclnamespace = 0 or space.oid is not null""",
}
