-- The accounts of a group: of one currency and with one slot each. An account may be in several
-- groups. Rows change only under the exclusive lock of their book.

create table ledger_private.account_group_members (
    book_id uuid not null,
    account_id uuid not null,
    group_id uuid not null,
    -- Postings: the groups of an account.
    constraint account_group_members_pkey primary key (book_id, account_id, group_id),
    constraint account_group_members_account_fkey foreign key (book_id, account_id)
    references ledger_private.accounts (book_id, id),
    constraint account_group_members_group_fkey foreign key (book_id, group_id)
    references ledger_private.account_groups (book_id, id) on delete cascade
);

-- Sums: the accounts of a group.
create index account_group_members_group_id_idx
on ledger_private.account_group_members (book_id, group_id, account_id);

alter table ledger_private.account_group_members enable row level security;
create policy group_members_of_members on ledger_private.account_group_members
for select to authenticated
using (book_id = any((select ledger_private.my_books())::uuid[]));

revoke all on table ledger_private.account_group_members
from public, anon, authenticated, service_role;
grant select on table ledger_private.account_group_members to authenticated, service_role;

comment on table ledger_private.account_group_members is 'Which accounts share a joint floor.';
