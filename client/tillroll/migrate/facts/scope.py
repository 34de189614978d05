"""Which part of a catalog is whose, and pieces of SQL that the queries share."""

from __future__ import annotations

__all__ = ["HIDDEN", "SCOPE", "hidden", "named", "ordered", "unbrought"]

# Relations, routines and types of one's own; `held` has also what an extension brought, to which
# triggers and policies of one's own may belong. `reference`: what a catalog's columns refer to.
SCOPE = """
with member as (
    select d.classid, d.objid from pg_depend as d where d.deptype = 'e'
),
space as (
    select n.oid, n.nspname, n.nspowner, n.nspacl, quote_ident(n.nspname) as name
    from pg_namespace as n
    where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'supabase_migrations')
),
held as (
    select c.*, space.name as schema, space.name || '.' || quote_ident(c.relname) as name,
        exists (select from member
            where member.classid = 'pg_class'::regclass and member.objid = c.oid) as brought
    from pg_class as c join space on space.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
),
rel as (select held.* from held where not held.brought),
func as (
    select p.*, space.name as schema, space.name || '.' || quote_ident(p.proname) || '('
            || pg_get_function_identity_arguments(p.oid) || ')' as name
    from pg_proc as p join space on space.oid = p.pronamespace
    where not exists (
        select from member where member.classid = 'pg_proc'::regclass and member.objid = p.oid)
),
typ as (
    select t.*, space.name as schema, space.name || '.' || quote_ident(t.typname) as name
    from pg_type as t join space on space.oid = t.typnamespace
    where (t.typtype in ('d', 'e', 'r', 'p')
            or t.typtype = 'b'
                and not exists (select from pg_type as a where a.typarray = t.oid)
            or t.typtype = 'c' and exists (
                select from pg_class as c where c.oid = t.typrelid and c.relkind = 'c'))
        and not exists (
            select from member where member.classid = 'pg_type'::regclass and member.objid = t.oid)
),
reference as materialized (
    select k.fktable, k.fkcols[1] as name, k.pktable
    from pg_get_catalog_foreign_keys() as k where cardinality(k.fkcols) = 1 and not k.is_array
)
"""

# Names of settings and options whose values are nobody's business. Sixteen bits of a hash show
# that a value has changed, and too little to tell which one it is.
HIDDEN = "'pass|secret|key|token|cred|auth|private|conninfo|connection'"


def ordered(array: str) -> str:
    """Return the elements of a text array as JSON, sorted alike on every server."""
    return (
        f'(select jsonb_agg(each.o order by each.o::text collate "C") from unnest({array}) '
        "as each (o))"
    )


def hidden(array: str, names: str = HIDDEN) -> str:
    """Return options `name=value` as JSON, the values of those whose name matches unreadable."""
    return f"""(
        select jsonb_agg(case when split_part(each.o, '=', 1) ~* {names}
            then split_part(each.o, '=', 1) || '=hidden, hash '
                || left(encode(sha256(convert_to(each.o, 'UTF8')), 'hex'), 4)
            else each.o end order by each.o collate "C")
        from unnest({array}) as each (o))"""


def unbrought(catalog: str, alias: str) -> str:
    """Return the condition that no extension brought a row of a catalog."""
    return (
        f"not exists (select from member where member.classid = '{catalog}'::regclass "
        f"and member.objid = {alias}.oid)"
    )


def named(catalog: str, oid: str) -> str:
    """Return Postgres' own identity of a row of a catalog."""
    return f"(pg_identify_object('{catalog}'::regclass, {oid}, 0)).identity"
