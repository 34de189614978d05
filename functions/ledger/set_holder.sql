-- ledger.set_holder: let a user see one account, or also spend from it.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_argument, user_not_found,
--         book_archived, busy
-- Tests   tests/integration/ledger/test_set_holder.py

create or replace function ledger.set_holder(
    book_id uuid,
    account_id uuid,
    user_id uuid,
    access text
)
returns ledger.holders
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.set_holder(
        set_holder.book_id, set_holder.account_id, set_holder.user_id, set_holder.access
    );
$$;

comment on function ledger.set_holder is
$$Let a user see one account of a book, or also spend from it.

access: view, or spend (also gives from it, to accounts that are payable or that she holds). A
stranger becomes a member with the role holder, who sees nothing else of the book; for a member with
another role it is refused. Repeating it changes the access. Owners only.$$;

revoke execute on function ledger.set_holder from public, anon, authenticated, service_role;
grant execute on function ledger.set_holder to authenticated, service_role;
