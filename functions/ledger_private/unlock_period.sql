-- ledger_private.unlock_period: the engine behind ledger.unlock_period. Under the exclusive lock,
-- as every change of the rules.

create or replace function ledger_private.unlock_period(book_id uuid, from_date date, to_date date)
returns ledger.periods
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_period ledger.periods;
begin
    perform ledger_private.enter_book(unlock_period.book_id, 'owner', exclusive => true);

    delete from ledger_private.period_locks as p
    where
        p.book_id = unlock_period.book_id
        and p.from_date = unlock_period.from_date
        and p.to_date = unlock_period.to_date
    returning p.book_id, p.from_date, p.to_date, p.created_at into v_period;
    perform ledger_private.check_argument('from_date', found, 'a period of ledger.periods');

    update ledger_private.books as b
    set has_periods = false
    where
        b.id = unlock_period.book_id
        and not exists (
            select from ledger_private.period_locks as p where p.book_id = b.id
        );
    return v_period;
end;
$$;

comment on function ledger_private.unlock_period is
'Open a locked period again: the engine of ledger.unlock_period. Returns what it was.';

revoke execute on function ledger_private.unlock_period
from public, anon, authenticated, service_role;
grant execute on function ledger_private.unlock_period to authenticated, service_role;
