-- ledger_private.close_account: the engine behind ledger.close_account.
--
-- Every slot of the account is locked, and one of the account that takes the money, in one sorted
-- statement: a transfer between the two, in either direction, comes before or after. Limits fall
-- first, or a floor above zero would keep the last of the money; which also writes each row, so
-- that a posting at repeatable read or above aborts (40001) instead of missing the change.

create or replace function ledger_private.close_account(
    book_id uuid,
    account_id uuid,
    sweep_to uuid
)
returns ledger.accounts
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_door ledger_private.door;
    v_currency text;
    v record;
    v_code text;
begin
    if close_account.account_id = close_account.sweep_to then
        perform ledger_private.raise_error(
            'same_account', jsonb_build_object('account_id', close_account.account_id)
        );
    end if;
    v_door := ledger_private.enter_book(close_account.book_id, 'owner');
    if v_door.has_groups then
        perform ledger_private.lock_groups(
            close_account.book_id, array[close_account.account_id, close_account.sweep_to]
        );
    end if;
    begin
        perform
        from ledger_private.balances as b
        where
            b.book_id = close_account.book_id
            and b.account_id = any(array[close_account.account_id, close_account.sweep_to])
            and (
                b.account_id = close_account.account_id
                or b.slot = mod(pg_backend_pid(), b.slots)
            )
        order by b.account_id, b.slot
        for no key update;
    exception when lock_not_available then
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('account_id', close_account.account_id)
        );
    end;

    select
        min(b.status) as status,
        min(b.currency) as currency,
        sum(b.held) as held,
        sum(b.posted) as posted,
        bool_or(b.posted <> 0) as has_money
    into v
    from ledger_private.balances as b
    where b.book_id = close_account.book_id and b.account_id = close_account.account_id;
    select b.currency into v_currency
    from ledger_private.balances as b
    where
        b.book_id = close_account.book_id
        and b.account_id = close_account.sweep_to
        and b.slot = 0;
    if v.status = 'closed' then
        return ledger_private.find_account(close_account.book_id, close_account.account_id);
    end if;
    v_code := case
        when v.status is null then 'account_not_found'
        when v_currency is null and close_account.sweep_to is not null then 'account_not_found'
        when v_currency <> v.currency then 'currency_mismatch'
        when v.held <> 0 or (v.has_money and close_account.sweep_to is null)
            then 'account_not_empty'
    end;
    if v_code is not null then
        perform ledger_private.raise_error(v_code, case v_code
            when 'currency_mismatch' then jsonb_build_object(
                'from', v.currency, 'to', v_currency
            )
            when 'account_not_empty' then jsonb_build_object(
                'account_id', close_account.account_id, 'posted', v.posted, 'held', v.held
            )
            else jsonb_build_object('account_id', case
                when v.status is null then close_account.account_id else close_account.sweep_to
            end)
        end);
    end if;

    update ledger_private.balances as b
    set min_balance = null, max_balance = null
    where b.book_id = close_account.book_id and b.account_id = close_account.account_id;
    if v.has_money then
        perform ledger_private.post_legs(
            close_account.book_id, v_door,
            ledger_private.claim_transaction(
                close_account.book_id, v_door, 'sweep', null, null, null, null, null, null, null,
                false
            ),
            array(
                select
                    row(null, null, s.account_id, s.slot, s.amount, null, null, null)
                    ::ledger_private.leg
                from (
                    select b.account_id, b.slot, -b.posted::bigint as amount
                    from ledger_private.balances as b
                    where
                        b.book_id = close_account.book_id
                        and b.account_id = close_account.account_id
                        and b.posted <> 0
                    union all
                    select close_account.sweep_to, null, v.posted
                    where v.posted <> 0
                ) as s
                order by s.slot nulls last
            )
        );
    end if;
    update ledger_private.balances as b
    set status = 'closed'
    where b.book_id = close_account.book_id and b.account_id = close_account.account_id;
    return ledger_private.find_account(close_account.book_id, close_account.account_id);
end;
$$;

comment on function ledger_private.close_account is
'Close an account: the engine of ledger.close_account.';

revoke execute on function ledger_private.close_account
from public, anon, authenticated, service_role;
grant execute on function ledger_private.close_account to authenticated, service_role;
