-- ledger.set_balance_limits: set floor and ceiling of an account.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_argument, insufficient_funds,
--         limit_exceeded, book_archived, busy
-- Tests   tests/integration/ledger/test_set_balance_limits.py

create or replace function ledger.set_balance_limits(
    book_id uuid,
    account_id uuid,
    min_balance bigint,
    max_balance bigint
)
returns ledger.accounts
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.set_balance_limits(
        set_balance_limits.book_id, set_balance_limits.account_id, set_balance_limits.min_balance,
        set_balance_limits.max_balance
    );
$$;

comment on function ledger.set_balance_limits is
$$Set floor and ceiling of an account, in minor units; null is none.

A limit that the balance already breaks is refused. Owners only.$$;

revoke execute on function ledger.set_balance_limits from public, anon, authenticated, service_role;
grant execute on function ledger.set_balance_limits to authenticated, service_role;
