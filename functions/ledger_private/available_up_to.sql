-- ledger_private.available_up_to: how much transfer_up_to moves. Called by post_transfer only:
-- locks both accounts, in the global order, before it looks.
--
-- Where nothing is available the amount stays as it is, and the transfer is refused for it.

create or replace function ledger_private.available_up_to(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint
)
returns bigint
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_free bigint;
begin
    perform ledger_private.lock_accounts(
        available_up_to.book_id,
        array[available_up_to.from_account_id, available_up_to.to_account_id]
    );
    select b.posted - b.held - b.min_balance into v_free
    from ledger_private.balances as b
    where
        b.book_id = available_up_to.book_id
        and b.account_id = available_up_to.from_account_id
        and b.slot = 0;
    return case
        when v_free > 0 then least(available_up_to.amount, v_free) else available_up_to.amount
    end;
end;
$$;

comment on function ledger_private.available_up_to is
'Lock two accounts; return the smaller of an amount and what the giver has available.';

revoke execute on function ledger_private.available_up_to
from public, anon, authenticated, service_role;
