-- ledger_private.set_balance_limits: the engine behind ledger.set_balance_limits.
--
-- A limit that the balance already breaks is refused, so that "nobody is below the floor" holds at
-- every moment.

create or replace function ledger_private.set_balance_limits(
    book_id uuid,
    account_id uuid,
    min_balance bigint,
    max_balance bigint
)
returns ledger.accounts
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account ledger.accounts;
begin
    perform ledger_private.check_limits(
        set_balance_limits.min_balance, set_balance_limits.max_balance
    );
    perform ledger_private.enter_book(set_balance_limits.book_id, 'owner');
    v_account := ledger_private.lock_account(
        set_balance_limits.book_id, set_balance_limits.account_id
    );

    perform ledger_private.check_argument(
        'min_balance',
        v_account.slots = 1
        or num_nonnulls(set_balance_limits.min_balance, set_balance_limits.max_balance) = 0,
        'null, as max_balance: an account with several slots has no limits'
    );
    if v_account.posted - v_account.held < set_balance_limits.min_balance then
        perform ledger_private.raise_error('insufficient_funds', jsonb_build_object(
            'account_id', v_account.id,
            'available', v_account.posted - v_account.held,
            'required', set_balance_limits.min_balance
        ));
    elsif v_account.posted > set_balance_limits.max_balance then
        perform ledger_private.raise_error('limit_exceeded', jsonb_build_object(
            'account_id', v_account.id,
            'max_balance', set_balance_limits.max_balance,
            'balance', v_account.posted
        ));
    end if;

    update ledger_private.balances as b
    set min_balance = set_balance_limits.min_balance, max_balance = set_balance_limits.max_balance
    where
        b.book_id = set_balance_limits.book_id and b.account_id = set_balance_limits.account_id;
    return ledger_private.find_account(set_balance_limits.book_id, set_balance_limits.account_id);
end;
$$;

comment on function ledger_private.set_balance_limits is
$$Set floor and ceiling of an account: the engine of ledger.set_balance_limits. Minor units, null
for none.$$;

revoke execute on function ledger_private.set_balance_limits
from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_balance_limits to authenticated, service_role;
