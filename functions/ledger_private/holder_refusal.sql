-- ledger_private.holder_refusal: why a holder may not take from an account, or pay into it. What
-- she does not see is not there. Called by the engine only.

create or replace function ledger_private.holder_refusal(
    book_id uuid,
    user_id uuid,
    account_id uuid,
    gives boolean
)
returns text
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_access text := (
        select h.access
        from ledger_private.account_holders as h
        where
            h.book_id = holder_refusal.book_id
            and h.account_id = holder_refusal.account_id
            and h.user_id = holder_refusal.user_id
    );
begin
    return case
        when holder_refusal.gives then case v_access
            when 'spend' then null
            when 'view' then 'forbidden'
            else 'account_not_found'
        end
        when v_access is null and not exists (
            select from ledger_private.accounts as a
            where
                a.book_id = holder_refusal.book_id
                and a.id = holder_refusal.account_id
                and a.payable
        ) then 'account_not_found'
    end;
end;
$$;

comment on function ledger_private.holder_refusal is
$$Return the code that refuses a holder one side of a posting, null where she may.

gives: money is taken from the account; else paid into it.$$;

revoke execute on function ledger_private.holder_refusal
from public, anon, authenticated, service_role;
