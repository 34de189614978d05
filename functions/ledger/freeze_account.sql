-- ledger.freeze_account: stop every posting on an account.
--
-- Raises  book_not_found, forbidden, account_not_found, account_closed, book_archived, busy
-- Tests   tests/integration/ledger/test_freeze_account.py

create or replace function ledger.freeze_account(
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
        freeze_account.book_id, freeze_account.account_id, 'frozen'
    );
$$;

comment on function ledger.freeze_account is
$$Freeze an account: neither side of a posting until it is unfrozen.

When this returns no posting on it is under way. Owners only.$$;

revoke execute on function ledger.freeze_account from public, anon, authenticated, service_role;
grant execute on function ledger.freeze_account to authenticated, service_role;
