-- ledger.post_transaction: a posting over any number of accounts.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, unbalanced, account_frozen, account_closed, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_post_transaction.py

create or replace function ledger.post_transaction(
    book_id uuid,
    entries ledger.entry_input[],
    idempotency_key text default null,
    effective_on date default null,
    description text default null,
    external_id text default null,
    metadata jsonb default null,
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return (select r.receipt from ledger_private.post_items(
        'single', post_transaction.book_id,
        array[row(
            post_transaction.entries, post_transaction.idempotency_key,
            post_transaction.effective_on, post_transaction.description,
            post_transaction.external_id, post_transaction.metadata
        )::ledger.transaction_input],
        post_transaction.expect, post_transaction.dry_run
    ) as r);
end;
$$;

comment on function ledger.post_transaction is
$$Post one transaction over two or more accounts of a book.

entries: 2 to 1000, each account once, signed amounts in minor units (negative is taken from the
account) that sum to zero in each currency. All of it happens, or nothing. Repeating the call with
the same idempotency_key returns the first receipt. Editors and owners; holders between accounts
that they may use.$$;

revoke execute on function ledger.post_transaction from public, anon, authenticated, service_role;
grant execute on function ledger.post_transaction to authenticated, service_role;
