-- ledger.transfer_up_to: move as much as there is, up to an amount.
--
-- How much is decided under the locks: what is read beforehand may be gone by then.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, currency_mismatch, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_transfer_up_to.py

create or replace function ledger.transfer_up_to(
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
        'transfer_up_to', transfer_up_to.book_id, transfer_up_to.from_account_id,
        transfer_up_to.to_account_id, transfer_up_to.amount, transfer_up_to.idempotency_key,
        transfer_up_to.effective_on, transfer_up_to.description, transfer_up_to.external_id,
        transfer_up_to.metadata, transfer_up_to.expect, transfer_up_to.dry_run
    );
end;
$$;

comment on function ledger.transfer_up_to is
$$Move what is available on an account to another, at most an amount.

The receipt says how much it was, in minor units; all of amount from an account without a floor.
Nothing available: insufficient_funds. Otherwise as transfer.$$;

revoke execute on function ledger.transfer_up_to from public, anon, authenticated, service_role;
grant execute on function ledger.transfer_up_to to authenticated, service_role;
