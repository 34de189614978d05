-- ledger.reverse_transaction: post a transaction with its signs turned.
--
-- An entry is never taken back: the reversal is a posting of its own that names the first.
--
-- Raises  book_not_found, forbidden, transaction_not_found, already_reversed, invalid_amount,
--         account_not_found, invalid_argument, account_frozen, account_closed, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_reverse_transaction.py

create or replace function ledger.reverse_transaction(
    book_id uuid,
    transaction_id uuid,
    amount bigint default null,
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
    return ledger_private.reverse_transaction(
        reverse_transaction.book_id, reverse_transaction.transaction_id,
        reverse_transaction.amount, reverse_transaction.idempotency_key,
        reverse_transaction.effective_on, reverse_transaction.description,
        reverse_transaction.external_id, reverse_transaction.metadata,
        reverse_transaction.expect, reverse_transaction.dry_run
    );
end;
$$;

comment on function ledger.reverse_transaction is
$$Reverse a transaction, or a part of it.

amount: minor units, for a transaction between two accounts; everything that is left where missing.
Reversals add up to at most the original. What was given has to be there: the reversal obeys floors,
ceilings and states like any posting. Repeating the call with the same idempotency_key returns the
first receipt. Editors and owners.$$;

revoke execute on function ledger.reverse_transaction
from public, anon, authenticated, service_role;
grant execute on function ledger.reverse_transaction to authenticated, service_role;
