-- ledger.unfreeze_account: open a frozen account again.
--
-- Raises  book_not_found, forbidden, account_not_found, account_closed, book_archived, busy
-- Tests   tests/integration/ledger/test_unfreeze_account.py

create or replace function ledger.unfreeze_account(
    book_id uuid,
    account_id uuid
)
returns ledger.accounts
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.set_account_status(
        unfreeze_account.book_id, unfreeze_account.account_id, 'open'
    );
$$;

comment on function ledger.unfreeze_account is
$$Open a frozen account again.

Owners only.$$;

revoke execute on function ledger.unfreeze_account from public, anon, authenticated, service_role;
grant execute on function ledger.unfreeze_account to authenticated, service_role;
