-- ledger_private.receipt_of: the receipt of a transaction that is already there, with the balances
-- of that time.
--
-- Invoker: inside the engine it reads as the owner, from `ledger` as the caller, under row level
-- security.

create or replace function ledger_private.receipt_of(book_id uuid, transaction_id uuid)
returns ledger.receipt
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
    select
        t.id, t.book_id, t.kind, t.posted_at, t.effective_on, true, false,
        array(
            select l.line
            from ledger_private.receipt_lines as l
            where l.book_id = t.book_id and l.transaction_id = t.id
            order by l.leg
        )
    from ledger_private.transactions as t
    where t.book_id = receipt_of.book_id and t.id = receipt_of.transaction_id;
$$;

comment on function ledger_private.receipt_of is
'Return the stored receipt of a transaction, marked as replayed.';

revoke execute on function ledger_private.receipt_of from public, anon, authenticated, service_role;
grant execute on function ledger_private.receipt_of to authenticated, service_role;
