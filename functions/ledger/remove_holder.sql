-- ledger.remove_holder: take an account away from a holder.
--
-- Raises  book_not_found, forbidden, account_not_found, member_not_found, book_archived, busy
-- Tests   tests/integration/ledger/test_remove_holder.py

create or replace function ledger.remove_holder(
    book_id uuid,
    account_id uuid,
    user_id uuid
)
returns ledger.holders
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.remove_holder(
        remove_holder.book_id, remove_holder.account_id, remove_holder.user_id
    );
$$;

comment on function ledger.remove_holder is
$$Take an account away from a holder and return what she was.

With the last account goes her membership. What she posted stays. Owners only.$$;

revoke execute on function ledger.remove_holder from public, anon, authenticated, service_role;
grant execute on function ledger.remove_holder to authenticated, service_role;
