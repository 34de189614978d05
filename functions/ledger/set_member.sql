-- ledger.set_member: give a user a role.
--
-- Raises  book_not_found, forbidden, invalid_argument, user_not_found, last_owner, book_archived,
--         busy
-- Tests   tests/integration/ledger/test_set_member.py

create or replace function ledger.set_member(
    book_id uuid,
    user_id uuid,
    role text
)
returns ledger.members
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.set_member(set_member.book_id, set_member.user_id, set_member.role);
$$;

comment on function ledger.set_member is
$$Give a user a role in a book, or change it.

role: viewer (reads), editor (also posts and opens accounts), owner (also manages members, holders,
limits, groups and periods) or holder (sees and uses only the accounts that set_holder gives her;
with another role she has none of them any more). Owners only; the last owner stays.$$;

revoke execute on function ledger.set_member from public, anon, authenticated, service_role;
grant execute on function ledger.set_member to authenticated, service_role;
