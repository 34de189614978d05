-- ledger.transfer: move money from one account to another.
--
-- Read committed on purpose: the funds check reads rows that this call has locked, so it can
-- neither be fooled nor fail for concurrency. Safe to retry under the same idempotency_key.
--
-- PL/pgSQL, though it is one statement: before Postgres 18 a SQL function plans its body in each
-- call, which is a fifth of a transfer.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, currency_mismatch, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_transfer.py

create or replace function ledger.transfer(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint,
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
    return ledger_private.post_transfer(
        'transfer', transfer.book_id, transfer.from_account_id,
        transfer.to_account_id, transfer.amount, transfer.idempotency_key,
        transfer.effective_on, transfer.description, transfer.external_id,
        transfer.metadata, transfer.expect, transfer.dry_run
    );
end;
$$;

comment on function ledger.transfer is
$$Move money from one account of a book to another.

Both accounts must be open and of one currency. amount: minor units, 1234 is 12.34 where the
currency has two places. effective_on: the value date, today in UTC where missing. Repeating the
call with the same idempotency_key returns the first receipt. Editors and owners; holders from
accounts that they may spend from, into payable ones.$$;

revoke execute on function ledger.transfer from public, anon, authenticated, service_role;
grant execute on function ledger.transfer to authenticated, service_role;
