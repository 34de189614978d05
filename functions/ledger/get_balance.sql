-- ledger.get_balance: the current balance of one account.
--
-- Raises  book_not_found, account_not_found
-- Tests   tests/integration/ledger/test_get_balance.py

create or replace function ledger.get_balance(
    book_id uuid,
    account_id uuid
)
returns ledger.balance
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account ledger.accounts := ledger_private.find_account(
        get_balance.book_id, get_balance.account_id
    );
begin
    return row(
        v_account.id, v_account.currency, v_account.posted, v_account.held,
        v_account.available, v_account.version
    )::ledger.balance;
end;
$$;

comment on function ledger.get_balance is
$$Return the current balance of an account, in minor units.

available: posted − held − floor, null without a floor. version: number of entries so far. Viewers
and up.$$;

revoke execute on function ledger.get_balance from public, anon, authenticated, service_role;
grant execute on function ledger.get_balance to authenticated, service_role;
