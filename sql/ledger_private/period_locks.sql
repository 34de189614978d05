-- Closed periods: no booking with a value date inside, both days included. Periods may overlap.
--
-- Rows change only under the exclusive lock of their book: a posting that has just found its date
-- free must end first.

create table ledger_private.period_locks (
    book_id uuid not null,
    from_date date not null,
    to_date date not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint period_locks_pkey primary key (book_id, from_date, to_date),
    constraint period_locks_book_id_fkey foreign key (book_id) references ledger_private.books (id),
    constraint period_locks_in_order check (from_date <= to_date)
);

alter table ledger_private.period_locks enable row level security;
create policy periods_of_members on ledger_private.period_locks for select to authenticated
using (book_id = any((select ledger_private.my_books())::uuid[]));

revoke all on table ledger_private.period_locks from public, anon, authenticated, service_role;
grant select on table ledger_private.period_locks to authenticated, service_role;

comment on table ledger_private.period_locks is
'Periods in which nothing may be booked, by value date, both days included.';
