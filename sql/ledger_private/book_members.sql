-- Who may do what in a book. Viewers read, editors also post, owners also manage members and
-- limits. Holders see and use only the accounts that account_holders gives them.
--
-- Rows change only under the exclusive lock of their book, so that a posting that has just read its
-- role is not overtaken. Deleting a user removes her membership: a book without an owner is left to
-- service_role.

create table ledger_private.book_members (
    book_id uuid not null,
    user_id uuid not null,
    role text not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint book_members_pkey primary key (book_id, user_id),
    constraint book_members_book_id_fkey foreign key (book_id) references ledger_private.books (id),
    constraint book_members_user_id_fkey foreign key (user_id)
    references auth.users (id) on delete cascade,
    constraint book_members_role_known check (
        role in ('owner', 'editor', 'viewer', 'holder')
    )
);

-- my_books(): every policy asks for the books of one user.
create index book_members_user_id_idx on ledger_private.book_members (user_id, book_id);

alter table ledger_private.book_members enable row level security;
create policy members_see_each_other on ledger_private.book_members for select to authenticated
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or user_id = (select auth.uid())
);

revoke all on table ledger_private.book_members from public, anon, authenticated, service_role;
grant select on table ledger_private.book_members to authenticated, service_role;

comment on table ledger_private.book_members is
'Roles of users in books: owner, editor, viewer, holder.';
