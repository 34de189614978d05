-- ledger.expire_holds: give back what overdue holds have set aside.
--
-- The ledger has no clock of its own: this is called by a scheduler, or whenever somebody likes.
--
-- Raises  book_not_found, forbidden, book_archived, busy
-- Tests   tests/integration/ledger/test_expire_holds.py

create or replace function ledger.expire_holds(
    book_id uuid
)
returns integer
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.expire_holds(expire_holds.book_id);
end;
$$;

comment on function ledger.expire_holds is
$$Expire the overdue holds of a book, the oldest first, and return how many they were.

At most 1000 a call: repeat it until it returns 0. Editors and owners.$$;

revoke execute on function ledger.expire_holds from public, anon, authenticated, service_role;
grant execute on function ledger.expire_holds to authenticated, service_role;
