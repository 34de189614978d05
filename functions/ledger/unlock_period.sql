-- ledger.unlock_period: open a locked period again.
--
-- Raises  book_not_found, forbidden, invalid_argument, book_archived, busy
-- Tests   tests/integration/ledger/test_unlock_period.py

create or replace function ledger.unlock_period(
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
    select ledger_private.unlock_period(
        unlock_period.book_id, unlock_period.from_date, unlock_period.to_date
    );
$$;

comment on function ledger.unlock_period is
$$Open a locked period again and return what it was.

from_date and to_date: exactly those of ledger.periods. A day inside another locked period stays
closed. Owners only.$$;

revoke execute on function ledger.unlock_period from public, anon, authenticated, service_role;
grant execute on function ledger.unlock_period to authenticated, service_role;
