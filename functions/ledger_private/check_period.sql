-- ledger_private.check_period: no booking into a locked period. Called by the engine, after
-- enter_book.
--
-- Volatile, for a snapshot of its own: periods change under the book's exclusive lock, so that a
-- date which is found free after it stays free until the posting ends.

create or replace function ledger_private.check_period(
    book_id uuid,
    door ledger_private.door,
    effective_on date
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_date date := coalesce(check_period.effective_on, (now() at time zone 'UTC')::date);
    v_period ledger_private.period_locks;
begin
    if check_period.door.has_periods is not true then
        return;
    end if;

    select p.* into v_period
    from ledger_private.period_locks as p
    where p.book_id = check_period.book_id and p.from_date <= v_date and p.to_date >= v_date
    order by p.from_date, p.to_date
    limit 1;

    if found then
        -- A holder sees no periods.
        perform ledger_private.raise_error('period_locked', case check_period.door.role
            when 'holder' then '{}'
            else jsonb_build_object('from_date', v_period.from_date, 'to_date', v_period.to_date)
        end || jsonb_build_object('effective_on', v_date));
    end if;
end;
$$;

comment on function ledger_private.check_period is
$$Raise period_locked where a value date lies in a locked period of the book.

effective_on: null for today in UTC. No-op where the book has no locked periods.$$;

revoke execute on function ledger_private.check_period
from public, anon, authenticated, service_role;
