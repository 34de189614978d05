"""Queries on routines and types.

Each gives the schemas, the owner, the identity, and the properties as a JSON object.
"""

from __future__ import annotations

from tillroll.migrate.facts.scope import ordered

__all__ = ["ROUTINES"]


ROUTINES: dict[str, str] = {
    "function": f"""
        select array[func.schema], null, func.name, jsonb_build_object(
            'kind', func.prokind, 'owner', func.proowner::regrole, 'language', l.lanname,
            'arguments', pg_get_function_arguments(func.oid),
            'result', pg_get_function_result(func.oid),
            'volatility', func.provolatile, 'security definer', func.prosecdef,
            'strict', func.proisstrict, 'parallel', func.proparallel,
            'leakproof', func.proleakproof, 'cost', func.procost, 'rows', func.prorows,
            'support', nullif(func.prosupport, 0)::regproc,
            'transforms', {ordered("func.protrftypes::regtype[]::text[]")},
            'settings', {ordered("func.proconfig")}, 'library', func.probin,
            'body', coalesce(pg_get_function_sqlbody(func.oid), func.prosrc),
            'aggregate', (select to_jsonb(a) - array['aggfnoid', 'aggtranstype', 'aggmtranstype',
                        'aggsortop'] || jsonb_build_object('state', a.aggtranstype::regtype,
                        'moving state', nullif(a.aggmtranstype, 0)::regtype,
                        'sort', nullif(a.aggsortop, 0)::regoperator)
                from pg_aggregate as a where a.aggfnoid = func.oid))
        from func join pg_language as l on l.oid = func.prolang""",
    "type": """
        select array[typ.schema], null, typ.name, jsonb_build_object(
            'kind', typ.typtype, 'owner', typ.typowner::regrole, 'not null', typ.typnotnull,
            'not null name', (select c.conname from pg_constraint as c
                where c.contypid = typ.oid and c.contype = 'n'
                    and c.conname !~ '_not_null[0-9]*$'),
            'default', coalesce(pg_get_expr(typ.typdefaultbin, 0), typ.typdefault),
            'base', case when typ.typbasetype <> 0
                then format_type(typ.typbasetype, typ.typtypmod) end,
            'collation', nullif(typ.typcollation, 0)::regcollation,
            'labels', (select jsonb_agg(e.enumlabel order by e.enumsortorder)
                from pg_enum as e where e.enumtypid = typ.oid),
            'range', (select jsonb_build_object('of', r.rngsubtype::regtype,
                    'collation', nullif(r.rngcollation, 0)::regcollation,
                    'operator class', o.opcnamespace::regnamespace || '.' || o.opcname,
                    'canonical', nullif(r.rngcanonical, 0)::regproc,
                    'difference', nullif(r.rngsubdiff, 0)::regproc,
                    'multirange', r.rngmultitypid::regtype)
                from pg_range as r join pg_opclass as o on o.oid = r.rngsubopc
                where r.rngtypid = typ.oid))
        from typ""",
}
