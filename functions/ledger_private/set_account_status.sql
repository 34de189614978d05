-- ledger_private.set_account_status: the engine behind freeze_account and unfreeze_account.
-- Repeating it changes nothing; a closed account stays closed.

create or replace function ledger_private.set_account_status(
    book_id uuid,
    account_id uuid,
    status text
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
    perform ledger_private.check_argument(
        'status', set_account_status.status in ('open', 'frozen'), 'open or frozen'
    );
    perform ledger_private.enter_book(set_account_status.book_id, 'owner');
    v_account := ledger_private.lock_account(
        set_account_status.book_id, set_account_status.account_id
    );

    if v_account.status = 'closed' then
        perform ledger_private.raise_error(
            'account_closed', jsonb_build_object('account_id', v_account.id)
        );
    end if;

    update ledger_private.balances as b
    set status = set_account_status.status
    where
        b.book_id = set_account_status.book_id and b.account_id = set_account_status.account_id;
    return ledger_private.find_account(set_account_status.book_id, set_account_status.account_id);
end;
$$;

comment on function ledger_private.set_account_status is 'Freeze an account or open it again.';

revoke execute on function ledger_private.set_account_status
from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_account_status to authenticated, service_role;
