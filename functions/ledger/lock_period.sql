-- ledger.lock_period: close a period.
--
-- Raises  book_not_found, forbidden, invalid_argument, book_archived, busy
-- Tests   tests/integration/ledger/test_lock_period.py

create or replace function ledger.lock_period(
    book_id uuid,
    from_date date,
    to_date date
)
returns ledger.periods
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.lock_period(
        lock_period.book_id, lock_period.from_date, lock_period.to_date
    );
$$;

comment on function ledger.lock_period is
$$Close a period: nothing more is booked with a value date inside.

from_date and to_date: both included. Periods may overlap; locking one again changes nothing. Owners
only.$$;

revoke execute on function ledger.lock_period from public, anon, authenticated, service_role;
grant execute on function ledger.lock_period to authenticated, service_role;
