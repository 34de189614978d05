-- ledger.get_balance: the balance of one account, now or in the past.
--
-- Raises  book_not_found, account_not_found, invalid_argument, amount_out_of_range
-- Tests   tests/integration/ledger/test_get_balance.py

create or replace function ledger.get_balance(
    book_id uuid,
    account_id uuid,
    as_of timestamptz default null,
    effective_on date default null
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
    if num_nonnulls(get_balance.as_of, get_balance.effective_on) = 0 then
        return row(
            v_account.id, v_account.currency, v_account.posted, v_account.held,
            v_account.available, v_account.version
        )::ledger.balance;
    end if;
    return b from ledger_private.balances_of(
        v_account.book_id, array[v_account.id], get_balance.as_of, get_balance.effective_on
    ) as b;
end;
$$;

comment on function ledger.get_balance is
$$Return the balance of an account in minor units: of now, of a moment, or of a value date.

available: posted − held − floor, null without a floor. version: number of entries so far; null
where the account has several slots. as_of: what had been booked by then, that moment included.
effective_on: all that is booked by now with a value date up to that day, the day included. One of
them at most; of the past held and available are null, by value date version too. Viewers and up,
and who holds the account.$$;

revoke execute on function ledger.get_balance from public, anon, authenticated, service_role;
grant execute on function ledger.get_balance to authenticated, service_role;
