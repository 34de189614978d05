-- ledger.transfer_serializable: a transfer that takes no lock on account groups beforehand.
--
-- Optimistic: at serializable a conflict is found out afterwards, and the caller repeats. For joint
-- floors whose members rarely move at once, and to compare with transfer. One group that is hot
-- makes most calls fail; docs/explanation/performance.md has the measurement.
--
-- Where a gateway repeats 40001 for ever (PostgREST 14), do not use it: a conflict inside becomes
-- serialization_conflict, which nobody repeats, but one at COMMIT cannot be caught.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, currency_mismatch, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy,
--         wrong_isolation, serialization_conflict
-- Tests   tests/integration/ledger/test_transfer_serializable.py

create or replace function ledger.transfer_serializable(
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
set default_transaction_isolation = 'serializable'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.post_serializable(
        transfer_serializable.book_id, transfer_serializable.from_account_id,
        transfer_serializable.to_account_id, transfer_serializable.amount, transfer_serializable.idempotency_key,
        transfer_serializable.effective_on, transfer_serializable.description, transfer_serializable.external_id,
        transfer_serializable.metadata, transfer_serializable.expect, transfer_serializable.dry_run
    );
end;
$$;

comment on function ledger.transfer_serializable is
$$Move money from one account to another, at isolation level serializable.

As transfer, but account groups are not locked beforehand: of two calls that together would break a
joint floor one fails with serialization_conflict, and may be repeated with the same
idempotency_key. A direct SQL call has to begin its transaction at serializable.$$;

revoke execute on function ledger.transfer_serializable
from public, anon, authenticated, service_role;
grant execute on function ledger.transfer_serializable to authenticated, service_role;
