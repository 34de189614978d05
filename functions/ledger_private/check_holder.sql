-- ledger_private.check_holder: what a holder may move. Called by the engine, after enter_book and
-- before any row is locked: nobody stalls an account that she does not hold.
--
-- Volatile, for a snapshot of its own: payable and account_holders change under the book's
-- exclusive lock, so that what is read after enter_book stays true until the posting ends.

create or replace function ledger_private.check_holder(
    book_id uuid,
    door ledger_private.door,
    givers uuid[],
    takers uuid[]
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account uuid;
    v_code text;
begin
    if check_holder.door.role is distinct from 'holder' then
        return;
    end if;

    -- What she may not see comes before what she may not do.
    select r.account_id, r.code into v_account, v_code
    from (
        select
            s.account_id, s.gives, s.position,
            ledger_private.holder_refusal(
                check_holder.book_id, check_holder.door.user_id, s.account_id, s.gives
            ) as code
        from (
            select g.account_id, true as gives, g.position
            from unnest(check_holder.givers) with ordinality as g (account_id, position)
            union all
            select t.account_id, false, t.position
            from unnest(check_holder.takers) with ordinality as t (account_id, position)
        ) as s
    ) as r
    where r.code is not null
    order by r.code, r.gives desc, r.position
    limit 1;

    if found then
        perform ledger_private.raise_error(v_code, jsonb_strip_nulls(jsonb_build_object(
            'account_id', v_account,
            'required', case v_code when 'forbidden' then 'spend' end
        )));
    end if;
end;
$$;

comment on function ledger_private.check_holder is
$$Raise account_not_found or forbidden for what a holder may not move.

givers have to be held with spend; takers held, or payable. No-op for every other role.$$;

revoke execute on function ledger_private.check_holder
from public, anon, authenticated, service_role;
