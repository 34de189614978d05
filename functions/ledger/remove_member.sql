-- ledger.remove_member: take a user out of a book.
--
-- Raises  book_not_found, forbidden, member_not_found, last_owner, book_archived, busy
-- Tests   tests/integration/ledger/test_remove_member.py

create or replace function ledger.remove_member(
    book_id uuid,
    user_id uuid
)
returns ledger.members
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.remove_member(remove_member.book_id, remove_member.user_id);
$$;

comment on function ledger.remove_member is
$$Take a user out of a book and return what she was.

What she posted stays; the accounts that she held are hers no more. Owners only; the last owner
stays.$$;

revoke execute on function ledger.remove_member from public, anon, authenticated, service_role;
grant execute on function ledger.remove_member to authenticated, service_role;
