-- ledger.close_account: close an account for ever, and sweep what is on it to another one.
--
-- Raises  book_not_found, forbidden, account_not_found, account_not_empty, same_account,
--         account_frozen, account_closed, currency_mismatch, limit_exceeded, amount_out_of_range,
--         insufficient_funds, group_floor, period_locked, book_archived, busy
-- Tests   tests/integration/ledger/test_close_account.py

create or replace function ledger.close_account(
    book_id uuid,
    account_id uuid,
    sweep_to uuid default null
)
returns ledger.accounts
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.close_account(
        close_account.book_id, close_account.account_id, close_account.sweep_to
    );
end;
$$;

comment on function ledger.close_account is
$$Close an account: it takes part in no posting any more, and stays readable.

sweep_to: takes the balance in a last posting; without it the account has to be empty. Holds have to
be released before. A frozen account closes only when it is empty. Closing is final; repeating it
returns the closed account. Owners only.$$;

revoke execute on function ledger.close_account from public, anon, authenticated, service_role;
grant execute on function ledger.close_account to authenticated, service_role;
