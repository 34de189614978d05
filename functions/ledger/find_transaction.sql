-- ledger.find_transaction: was a posting with this key made?
--
-- Raises  book_not_found, transaction_not_found
-- Tests   tests/integration/ledger/test_find_transaction.py

create or replace function ledger.find_transaction(
    book_id uuid,
    idempotency_key text
)
returns ledger.receipt
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_receipt ledger.receipt;
begin
    perform ledger_private.check_book_visible(find_transaction.book_id);
    select r.* into v_receipt
    from ledger.transactions as t
    cross join lateral ledger_private.receipt_of(t.book_id, t.id) as r
    where
        t.book_id = find_transaction.book_id
        and t.idempotency_key = find_transaction.idempotency_key;
    if not found then
        perform ledger_private.raise_error('transaction_not_found');
    end if;
    return v_receipt;
end;
$$;

comment on function ledger.find_transaction is
$$Return the receipt of the transaction that used an idempotency key.

Settles what became of a call whose answer was lost: transaction_not_found means that nothing was
posted by a call that has ended, or that you may not see it. Viewers and up; holders where one of
their accounts is touched.$$;

revoke execute on function ledger.find_transaction from public, anon, authenticated, service_role;
grant execute on function ledger.find_transaction to authenticated, service_role;
