-- A book is a set of accounts that balance among themselves: a household, a company, one wallet
-- app. It is the tenant: every other table has its id first in every key, so that a book can live
-- on one shard.

create table ledger_private.books (
    id uuid not null,
    name text not null,
    base_currency text not null,
    archived_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    request_hash bytea not null,
    has_groups boolean not null default false,
    has_periods boolean not null default false,
    constraint books_pkey primary key (id),
    constraint books_base_currency_fkey foreign key (base_currency)
    references ledger_private.currencies (code),
    constraint books_name_length check (octet_length(name) between 1 and 255)
);

create trigger books_are_kept
before delete or truncate on ledger_private.books
for each statement execute function ledger_private.refuse_change();

alter table ledger_private.books enable row level security;
create policy books_of_members on ledger_private.books for select to authenticated
using (id = any((select ledger_private.my_memberships())::uuid[]));

revoke all on table ledger_private.books from public, anon, authenticated, service_role;
grant select on table ledger_private.books to authenticated, service_role;

comment on table ledger_private.books is 'Books: the tenants. Archived ones take no more bookings.';
comment on column ledger_private.books.request_hash is
'SHA-256 of the call that made it: tells a repeat from another.';
comment on column ledger_private.books.has_groups is
'Whether postings have to look for account groups; changes under the exclusive lock.';
comment on column ledger_private.books.has_periods is
'Whether postings have to look for locked periods; changes under the exclusive lock.';
