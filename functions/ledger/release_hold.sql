-- ledger.release_hold: give back what a hold has set aside.
--
-- Raises  book_not_found, forbidden, hold_not_found, hold_state, book_archived, busy
-- Tests   tests/integration/ledger/test_release_hold.py

create or replace function ledger.release_hold(
    book_id uuid,
    hold_id uuid
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
    return ledger_private.release_hold(release_hold.book_id, release_hold.hold_id);
end;
$$;

comment on function ledger.release_hold is
$$Release a hold: what is left of it is available again.

Only pending holds, also those that have expired since. Editors and owners.$$;

revoke execute on function ledger.release_hold from public, anon, authenticated, service_role;
grant execute on function ledger.release_hold to authenticated, service_role;
