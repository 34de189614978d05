-- ledger.create_hold: set money of an account aside for another one.
--
-- The id is the lock between duplicates, as an idempotency key is.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, currency_mismatch, insufficient_funds,
--         amount_out_of_range, group_floor, idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_create_hold.py

create or replace function ledger.create_hold(
    book_id uuid,
    account_id uuid,
    to_account_id uuid,
    amount bigint,
    expires_at timestamptz default null,
    description text default null,
    metadata jsonb default null,
    id uuid default null
)
returns ledger.holds
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.create_hold(
        create_hold.book_id, create_hold.account_id, create_hold.to_account_id,
        create_hold.amount, create_hold.expires_at, create_hold.description,
        create_hold.metadata, create_hold.id
    );
end;
$$;

comment on function ledger.create_hold is
$$Set money of an account aside, to be captured later, in parts or whole, or let go.

It counts against available from now on. Both accounts must be open and of one currency; the first
has one slot. amount: minor units. expires_at: from then on it can no longer be captured, and
expire_holds gives the money back. id: the caller's own, so that a repeat returns the hold of the
first call as it is now. Editors and owners; holders from accounts that they may spend from.$$;

revoke execute on function ledger.create_hold from public, anon, authenticated, service_role;
grant execute on function ledger.create_hold to authenticated, service_role;
