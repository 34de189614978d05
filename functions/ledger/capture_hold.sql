-- ledger.capture_hold: post what a hold has set aside.
--
-- The money is there by then: a capture never fails for funds.
--
-- Raises  book_not_found, forbidden, hold_not_found, hold_state, hold_expired, invalid_amount,
--         account_not_found, invalid_argument, account_frozen, account_closed, limit_exceeded,
--         amount_out_of_range, period_locked, version_conflict, idempotency_mismatch,
--         book_archived, busy
-- Tests   tests/integration/ledger/test_capture_hold.py

create or replace function ledger.capture_hold(
    book_id uuid,
    hold_id uuid,
    amount bigint default null,
    final boolean default true,
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
    return ledger_private.capture_hold(
        capture_hold.book_id, capture_hold.hold_id, capture_hold.amount, capture_hold.final,
        capture_hold.idempotency_key, capture_hold.effective_on, capture_hold.description,
        capture_hold.external_id, capture_hold.metadata, capture_hold.expect,
        capture_hold.dry_run
    );
end;
$$;

comment on function ledger.capture_hold is
$$Post the money of a hold, or a part of it, to the account that the hold names.

amount: minor units, at most what is left of the hold; all of that where missing. final: give the
rest back; false keeps it reserved for further captures. The transaction's metadata name the hold.
Repeating the call with the same idempotency_key returns the first receipt. Editors and owners.$$;

revoke execute on function ledger.capture_hold from public, anon, authenticated, service_role;
grant execute on function ledger.capture_hold to authenticated, service_role;
