-- ledger_private.refuse_transfer: say why two accounts cannot make a transfer. Called by
-- post_transfer only, under the locks of their balance rows, where it has found that something is
-- wrong: what it reads now is what was wrong.

create or replace function ledger_private.refuse_transfer(
    book_id uuid,
    door ledger_private.door,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_max constant bigint := 9007199254740991;
    v_holder boolean := (refuse_transfer.door).role = 'holder';
    v_code text;
    v_free bigint;
    v_from ledger_private.balances;
    v_to ledger_private.balances;
begin
    select b.* into v_from
    from ledger_private.balances as b
    where
        b.book_id = refuse_transfer.book_id
        and b.account_id = refuse_transfer.from_account_id
        and b.slot = mod(pg_backend_pid(), b.slots);

    select b.* into v_to
    from ledger_private.balances as b
    where
        b.book_id = refuse_transfer.book_id
        and b.account_id = refuse_transfer.to_account_id
        and b.slot = mod(pg_backend_pid(), b.slots);

    v_free := v_from.posted - v_from.held - v_from.min_balance;
    v_code := case
        when v_from.slots is null or v_to.slots is null then 'account_not_found'
        when v_from.status <> 'open' then 'account_' || v_from.status
        when v_to.status <> 'open' then 'account_' || v_to.status
        when v_from.currency <> v_to.currency then 'currency_mismatch'
        when v_free < refuse_transfer.amount then 'insufficient_funds'
        when v_to.posted + refuse_transfer.amount > v_to.max_balance then 'limit_exceeded'
        else 'amount_out_of_range'
    end;
    perform ledger_private.raise_error(v_code, jsonb_strip_nulls(case v_code
        when 'currency_mismatch' then jsonb_build_object(
            'from', v_from.currency, 'to', v_to.currency
        )
        when 'insufficient_funds' then jsonb_build_object(
            'account_id', v_from.account_id,
            'available', v_free,
            'required', refuse_transfer.amount
        )
        -- A holder is not told what others have.
        when 'limit_exceeded' then jsonb_build_object(
            'account_id', v_to.account_id,
            'max_balance', case when not v_holder then v_to.max_balance end,
            'balance', case when not v_holder then v_to.posted + refuse_transfer.amount end
        )
        else jsonb_build_object('account_id', case
            when
                v_from.status is distinct from 'open'
                or v_from.posted - refuse_transfer.amount < -v_max / v_from.slots
                then refuse_transfer.from_account_id
            else refuse_transfer.to_account_id
        end)
    end));
end;
$$;

comment on function ledger_private.refuse_transfer is
'Raise the error of a transfer that its accounts do not allow. Amount in minor units.';

revoke execute on function ledger_private.refuse_transfer
from public, anon, authenticated, service_role;
