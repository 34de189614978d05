-- ledger_private.merkle_root: the root of RFC 6962 over leaves that are given in order.
--
-- The RFC splits a list at the largest power of two below its length. Hashing neighbours level by
-- level, and taking an odd last one up as it is, gives the same tree without recursion.

create or replace function ledger_private.merkle_root(leaves bytea[])
returns bytea
language plpgsql
immutable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_level bytea[];
begin
    select array_agg(sha256('\x00'::bytea || l.leaf) order by l.position)
    into v_level
    from unnest(merkle_root.leaves) with ordinality as l (leaf, position);

    while cardinality(v_level) > 1 loop
        select array_agg(
            case
                when n.right_node is null then n.left_node
                else sha256('\x01'::bytea || n.left_node || n.right_node)
            end
            order by n.position
        )
        into v_level
        from (
            select
                l.position,
                l.node as left_node,
                lead(l.node) over (order by l.position) as right_node
            from unnest(v_level) with ordinality as l (node, position)
        ) as n
        where n.position % 2 = 1;
    end loop;
    return coalesce(v_level[1], sha256(''::bytea));
end;
$$;

comment on function ledger_private.merkle_root is
$$Return the Merkle root of RFC 6962 with SHA-256.

leaves: their contents, in order; that of no leaves is the hash of nothing.$$;

revoke execute on function ledger_private.merkle_root
from public, anon, authenticated, service_role;
grant execute on function ledger_private.merkle_root to authenticated, service_role;
