-- How far the balance by value date is from the balance by booking order. An entry that is booked
-- on another day than its value date adds its amount at the value date and takes it off at the day
-- of its booking; the sum of all shifts up to a day, added to the balance that was booked by the
-- end of that day, is the balance by value date. Most entries have no shift and write nothing here.
--
-- Summed by month and by day: up to a day there are the months before, and at most 31 days.
-- Written under the lock of the balance row of the same slot.

create table ledger_private.value_shifts (
    book_id uuid not null,
    account_id uuid not null,
    slot smallint not null,
    -- 'month' or 'day'
    grain text not null,
    starts_on date not null,
    amount numeric not null,
    constraint value_shifts_pkey primary key (book_id, account_id, grain, starts_on, slot)
);

alter table ledger_private.value_shifts enable row level security;
create policy shifts_of_members on ledger_private.value_shifts for select to authenticated
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or (book_id, account_id) in (
        select
            h.book_id,
            h.account_id
        from ledger_private.my_accounts() as h
    )
);

revoke all on table ledger_private.value_shifts from public, anon, authenticated, service_role;
grant select on table ledger_private.value_shifts to authenticated, service_role;

comment on table ledger_private.value_shifts is
'Differences between balances by value date and by booking, summed by month and by day.';
comment on column ledger_private.value_shifts.amount is
'Minor units; a sum of entries, so numeric.';
