"""Queries on routines, types and other small things that stand in schemas.

Each gives the schemas, the owner, the identity, and the properties as a JSON object.
"""

from __future__ import annotations

from tillroll.migrate.facts.scope import named, ordered, unbrought

__all__ = ["ROUTINES"]


def _owned(catalog: str, prefix: str, properties: str) -> str:
    """Return the query on a catalog of things that have an owner; `x` is a row."""
    return _small(catalog, prefix, f"'owner', x.{prefix}owner::regrole, {properties}")


def _small(catalog: str, prefix: str, properties: str) -> str:
    return f"""
        select array[space.name], null, {named(catalog, "x")},
            jsonb_build_object({properties})
        from {catalog} as x join space on space.oid = x.{prefix}namespace
        where {unbrought(catalog, "x")}"""


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
                where r.rngtypid = typ.oid),
            'internals', case typ.typtype when 'b' then jsonb_build_object(
                'functions', array[typ.typinput, typ.typoutput, typ.typreceive, typ.typsend,
                    typ.typmodin, typ.typmodout, typ.typanalyze, typ.typsubscript],
                'element', nullif(typ.typelem, 0)::regtype, 'length', typ.typlen,
                'by value', typ.typbyval, 'alignment', typ.typalign, 'storage', typ.typstorage,
                'category', typ.typcategory, 'preferred', typ.typispreferred,
                'delimiter', typ.typdelim) end)
        from typ""",
    "operator": _owned(
        "pg_operator",
        "opr",
        """'result', nullif(x.oprresult, 0)::regtype,
        'function', nullif(x.oprcode, 0)::oid::regprocedure,
        'commutator', nullif(x.oprcom, 0)::regoperator,
        'negator', nullif(x.oprnegate, 0)::regoperator, 'restrict', x.oprrest, 'join', x.oprjoin,
        'merges', x.oprcanmerge, 'hashes', x.oprcanhash""",
    ),
    "operator class": _owned(
        "pg_opclass",
        "opc",
        f"""'default', x.opcdefault, 'type', x.opcintype::regtype,
        'storage', nullif(x.opckeytype, 0)::regtype,
        'family', (select {named("pg_opfamily", "f")} from pg_opfamily as f
            where f.oid = x.opcfamily)""",
    ),
    "operator family": _owned(
        "pg_opfamily",
        "opf",
        f"""'operators', (select jsonb_agg(array[m.amopstrategy::text, m.amopopr::regoperator::text,
                m.amoppurpose::text, (select {named("pg_opfamily", "s")} from pg_opfamily as s
                    where s.oid = m.amopsortfamily)]
                order by m.amopstrategy, m.amopopr::regoperator::text collate "C")
            from pg_amop as m where m.amopfamily = x.oid),
        'functions', (select jsonb_agg(array[m.amprocnum::text, m.amproclefttype::regtype::text,
                m.amprocrighttype::regtype::text, m.amproc::oid::regprocedure::text]
                order by m.amprocnum, m.amproclefttype::regtype::text collate "C",
                    m.amprocrighttype::regtype::text collate "C")
            from pg_amproc as m where m.amprocfamily = x.oid)""",
    ),
    "collation": _owned(
        "pg_collation",
        "coll",
        """'provider', x.collprovider,
        'deterministic', x.collisdeterministic, 'collate', x.collcollate, 'ctype', x.collctype,
        'locale', coalesce(to_jsonb(x) -> 'colllocale', to_jsonb(x) -> 'colliculocale'),
        'rules', to_jsonb(x) -> 'collicurules'""",
    ),
    "conversion": _owned(
        "pg_conversion",
        "con",
        """'from', pg_encoding_to_char(x.conforencoding),
        'to', pg_encoding_to_char(x.contoencoding), 'function', x.conproc,
        'default', x.condefault""",
    ),
    "text search parser": _small(
        "pg_ts_parser",
        "prs",
        """'start', x.prsstart, 'token', x.prstoken, 'end', x.prsend,
        'headline', x.prsheadline, 'types', x.prslextype""",
    ),
    "text search template": _small(
        "pg_ts_template", "tmpl", "'init', x.tmplinit, 'lexize', x.tmpllexize"
    ),
    "text search dictionary": _owned(
        "pg_ts_dict",
        "dict",
        f"""'options', x.dictinitoption,
        'template', (select {named("pg_ts_template", "t")} from pg_ts_template as t
            where t.oid = x.dicttemplate)""",
    ),
    "text search configuration": _owned(
        "pg_ts_config",
        "cfg",
        f"""'parser', (select {named("pg_ts_parser", "p")} from pg_ts_parser as p
            where p.oid = x.cfgparser),
        'mappings', (select jsonb_object_agg(m.alias, m.dictionaries) from (
            select t.alias, jsonb_agg(m.mapdict::regdictionary order by m.mapseqno) as dictionaries
            from pg_ts_config_map as m
            join ts_token_type(x.cfgparser) as t on t.tokid = m.maptokentype
            where m.mapcfg = x.oid
            group by t.alias) as m)""",
    ),
}
