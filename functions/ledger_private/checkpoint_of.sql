-- ledger_private.checkpoint_of: the heads of a book's chains and their Merkle root. Runs as the
-- caller, in one statement, so of one moment.

create or replace function ledger_private.checkpoint_of(book_id uuid)
returns ledger.checkpoint
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
    select
        checkpoint_of.book_id,
        statement_timestamp(),
        coalesce(sum(b.version), 0)::bigint,
        encode(ledger_private.merkle_root(array_agg(
            uuid_send(b.account_id) || int2send(b.slot) || int8send(b.version) || b.hash
            order by b.account_id, b.slot
        )), 'hex'),
        coalesce(
            array_agg(
                row(b.account_id, b.slot, b.version, encode(b.hash, 'hex'))::ledger.chain_head
                order by b.account_id, b.slot
            ),
            '{}'
        )
    from ledger_private.balances as b
    where b.book_id = checkpoint_of.book_id and b.version > 0;
$$;

comment on function ledger_private.checkpoint_of is
'Return the ends of a book''s hash chains, and the Merkle root over them.';

revoke execute on function ledger_private.checkpoint_of
from public, anon, authenticated, service_role;
grant execute on function ledger_private.checkpoint_of to authenticated, service_role;
