-- Which accounts a holder sees, and from which she may spend. A holder is a member with the role
-- holder: a customer of a wallet app, who may call it from her browser.
--
-- Rows change only under the exclusive lock of their book, so that a posting that has just read
-- them is not overtaken. They go with the membership, which goes with the user.

create table ledger_private.account_holders (
    book_id uuid not null,
    account_id uuid not null,
    user_id uuid not null,
    access text not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint account_holders_pkey primary key (book_id, account_id, user_id),
    constraint account_holders_account_fkey foreign key (book_id, account_id)
    references ledger_private.accounts (book_id, id),
    constraint account_holders_member_fkey foreign key (book_id, user_id)
    references ledger_private.book_members (book_id, user_id) on delete cascade,
    constraint account_holders_access_known check (access in ('view', 'spend'))
);

-- my_accounts(): every policy asks for the accounts of one user; the membership's cascade.
create index account_holders_user_id_idx
on ledger_private.account_holders (user_id, book_id, account_id);

alter table ledger_private.account_holders enable row level security;
create policy holders_of_members on ledger_private.account_holders for select to authenticated
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or user_id = (select auth.uid())
);

revoke all on table ledger_private.account_holders from public, anon, authenticated, service_role;
grant select on table ledger_private.account_holders to authenticated, service_role;

comment on table ledger_private.account_holders is
'Accounts that holders see (view) or also spend from (spend).';
