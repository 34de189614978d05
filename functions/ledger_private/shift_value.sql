-- ledger_private.shift_value: book-keeping for value dates that differ from the day of booking, see
-- sql/ledger_private/value_shifts.sql. Called by the engine only, under the balance rows' locks.

create or replace function ledger_private.shift_value(book_id uuid, transaction_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    insert into ledger_private.value_shifts as v (
        book_id, account_id, slot, grain, starts_on, amount
    )
    select e.book_id, e.account_id, e.slot, s.grain, s.starts_on, sum(s.amount)
    from ledger_private.entries as e
    cross join lateral (
        values
        ('day', e.dated, e.amount::numeric),
        ('day', (e.booked_at at time zone 'UTC')::date, -e.amount::numeric),
        ('month', date_trunc('month', e.dated::timestamp)::date, e.amount::numeric),
        ('month', date_trunc('month', e.booked_at at time zone 'UTC')::date, -e.amount::numeric)
    ) as s (grain, starts_on, amount)
    where
        e.book_id = shift_value.book_id
        and e.transaction_id = any(shift_value.transaction_ids)
        and e.dated is not null
    group by e.book_id, e.account_id, e.slot, s.grain, s.starts_on
    having sum(s.amount) <> 0
    on conflict on constraint value_shifts_pkey do update set amount = v.amount + excluded.amount;
end;
$$;

comment on function ledger_private.shift_value is
'Add the entries of transactions whose value date is not the day of their booking to value_shifts.';

revoke execute on function ledger_private.shift_value
from public, anon, authenticated, service_role;
