-- ledger.update_account: change the words of an account.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_argument, duplicate_code,
--         book_archived, busy
-- Tests   tests/integration/ledger/test_update_account.py

create or replace function ledger.update_account(
    book_id uuid,
    account_id uuid,
    name text default null,
    code text default null,
    payable boolean default null,
    external_id text default null,
    metadata jsonb default null
)
returns ledger.accounts
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.update_account(
        update_account.book_id, update_account.account_id, update_account.name,
        update_account.code, update_account.payable, update_account.external_id,
        update_account.metadata
    );
$$;

comment on function ledger.update_account is
$$Change name, code, payable, external_id or metadata of an account.

Null leaves as is; metadata is replaced as a whole. Editors and owners.$$;

revoke execute on function ledger.update_account from public, anon, authenticated, service_role;
grant execute on function ledger.update_account to authenticated, service_role;
