-- A joint floor: what the member accounts have together, posted less held, stays at or above
-- min_total, though each alone may go lower.
--
-- The row is the lock: every posting on a member takes it and raises its version, so that the sum
-- that one posting has checked is not changed by another on a different member.

create table ledger_private.account_groups (
    book_id uuid not null,
    id uuid not null,
    name text not null,
    min_total ledger_private.minor_units not null,
    version bigint not null default 0,
    created_at timestamptz not null default clock_timestamp(),
    constraint account_groups_pkey primary key (book_id, id),
    constraint account_groups_book_id_fkey foreign key (book_id)
    references ledger_private.books (id),
    constraint account_groups_name_length check (octet_length(name) between 1 and 255)
);

alter table ledger_private.account_groups enable row level security;
create policy groups_of_members on ledger_private.account_groups for select to authenticated
using (book_id = any((select ledger_private.my_books())::uuid[]));

revoke all on table ledger_private.account_groups from public, anon, authenticated, service_role;
grant select on table ledger_private.account_groups to authenticated, service_role;

comment on table ledger_private.account_groups is 'Joint floors over several accounts.';
comment on column ledger_private.account_groups.min_total is
'Floor of the sum of posted − held of the members, in minor units.';
comment on column ledger_private.account_groups.version is 'Raised by every posting on a member.';
