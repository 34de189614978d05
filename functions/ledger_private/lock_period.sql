-- ledger_private.lock_period: the engine behind ledger.lock_period. Under the exclusive lock: a
-- posting that has found its date free must end first.

create or replace function ledger_private.lock_period(book_id uuid, from_date date, to_date date)
returns ledger.periods
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_period ledger.periods;
begin
    perform ledger_private.check_argument(
        'from_date',
        lock_period.from_date between '0001-01-01' and '9999-12-31',
        'a date from 0001-01-01 to 9999-12-31'
    );
    perform ledger_private.check_argument(
        'to_date',
        lock_period.to_date between lock_period.from_date and '9999-12-31',
        'a date from from_date to 9999-12-31'
    );
    perform ledger_private.enter_book(lock_period.book_id, 'owner', exclusive => true);

    insert into ledger_private.period_locks (book_id, from_date, to_date)
    values (lock_period.book_id, lock_period.from_date, lock_period.to_date)
    on conflict on constraint period_locks_pkey do nothing;

    update ledger_private.books as b
    set has_periods = true
    where b.id = lock_period.book_id and not b.has_periods;

    select p.* into v_period
    from ledger.periods as p
    where
        p.book_id = lock_period.book_id
        and p.from_date = lock_period.from_date
        and p.to_date = lock_period.to_date;
    return v_period;
end;
$$;

comment on function ledger_private.lock_period is
'Close a period: the engine of ledger.lock_period. Both days included.';

revoke execute on function ledger_private.lock_period
from public, anon, authenticated, service_role;
grant execute on function ledger_private.lock_period to authenticated, service_role;
