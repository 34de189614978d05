"""Queries on things of which a catalog says everything in one row.

Each gives the schemas, the owner, the identity, and the properties as a JSON object.
"""

from __future__ import annotations

from tillroll.migrate.facts.scope import hidden, named, ordered, unbrought

__all__ = ["CATALOGS"]

# The catalog, what its columns begin with, and those that say something; one that a version does
# not have is left out.
_COLUMNS = {
    "cast": ("pg_cast", "cast", "func context method"),
    "transform": ("pg_transform", "trf", "fromsql tosql"),
    "access method": ("pg_am", "am", "type handler"),
    "language": ("pg_language", "lan", "owner pltrusted plcallfoid inline validator"),
    "event trigger": ("pg_event_trigger", "evt", "owner event enabled foid"),
    "foreign data wrapper": ("pg_foreign_data_wrapper", "fdw", "owner handler validator"),
    "foreign server": ("pg_foreign_server", "srv", "owner type version fdw"),
    "publication": (
        *("pg_publication", "pub"),
        "owner alltables insert update delete truncate viaroot gencols",
    ),
    "operator": (
        *("pg_operator", "opr"),
        "owner result code com negate rest join canmerge canhash",
    ),
    "operator class": ("pg_opclass", "opc", "owner default intype keytype family"),
    "operator family": ("pg_opfamily", "opf", "owner"),
    "collation": (
        *("pg_collation", "coll"),
        "owner provider isdeterministic collate ctype locale iculocale icurules",
    ),
    "conversion": ("pg_conversion", "con", "owner forencoding toencoding proc default"),
    "text search parser": ("pg_ts_parser", "prs", "start token end headline lextype"),
    "text search template": ("pg_ts_template", "tmpl", "init lexize"),
    "text search dictionary": ("pg_ts_dict", "dict", "owner initoption template"),
    "text search configuration": ("pg_ts_config", "cfg", "owner parser"),
}
_BESIDE = {  # lists, and what stands in other catalogs
    "event trigger": f"'tags', {ordered('x.evttags')}",
    "foreign data wrapper": f"'options', {hidden('x.fdwoptions')}",
    "foreign server": f"'options', {hidden('x.srvoptions')}",
    "operator family": f"""'operators', (select jsonb_agg(
                array[m.amopstrategy::text, m.amopopr::regoperator::text, m.amoppurpose::text,
                    {named("pg_opfamily", "m.amopsortfamily")}]
                order by m.amopstrategy, m.amopopr::regoperator::text collate "C")
            from pg_amop as m where m.amopfamily = x.oid),
        'functions', (select jsonb_agg(
                array[m.amprocnum::text, m.amproclefttype::regtype::text,
                    m.amprocrighttype::regtype::text, m.amproc::oid::regprocedure::text]
                order by m.amprocnum, m.amproclefttype::regtype::text collate "C",
                    m.amprocrighttype::regtype::text collate "C")
            from pg_amproc as m where m.amprocfamily = x.oid)""",
    "text search configuration": """'mappings', (
            select jsonb_object_agg(m.alias, m.dictionaries) from (
            select t.alias, jsonb_agg(m.mapdict::regdictionary order by m.mapseqno) as dictionaries
            from pg_ts_config_map as m
            join ts_token_type(x.cfgparser) as t on t.tokid = m.maptokentype
            where m.mapcfg = x.oid
            group by t.alias) as m)""",
}


def _query(kind: str, catalog: str, prefix: str, columns: str) -> str:
    """Return the query on a catalog: what a column refers to is told by its own identity."""
    return f"""
        select array_remove(array[o.schema], null),
            case when o.schema is null then r.said ->> 'owner' end, o.identity,
            r.said || jsonb_build_object({_BESIDE.get(kind, "")})
        from {catalog} as x
        cross join lateral pg_identify_object(x.tableoid, x.oid, 0) as o
        cross join lateral (
            select jsonb_object_agg(c.name, coalesce(t.identity, said.value)) as said
            from unnest(string_to_array('{columns}', ' ')) as c (name)
            join jsonb_each_text(to_jsonb(x)) as said on said.key = '{prefix}' || c.name
            left join reference
                on reference.fktable = '{catalog}'::regclass and reference.name = said.key
            left join lateral pg_identify_object(reference.pktable,
                case when said.value ~ '^[1-9][0-9]*$' then said.value::oid end, 0) as t on true
        ) as r
        where x.oid >= 16384 and {unbrought(catalog, "x")}
            and (o.schema is null or o.schema in (select space.name from space))"""


CATALOGS = {kind: _query(kind, *of) for kind, of in _COLUMNS.items()}
