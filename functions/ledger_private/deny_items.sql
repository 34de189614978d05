-- ledger_private.deny_items: refuse the items of a batch in which a holder takes from an account
-- that she may not spend from, or pays into one that she may not. Called by post_items only, before
-- anything is claimed or locked: nobody stalls an account that she does not hold.

create or replace function ledger_private.deny_items(
    book_id uuid,
    user_id uuid,
    items ledger_private.item[]
)
returns ledger_private.item[]
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    return array(
        select row(
            i.ordinal, i.id, i.request_hash,
            coalesce(i.code, d.code),
            case
                when i.code is null and d.code is not null
                    then jsonb_build_object('account_id', d.account_id)
                else i.details
            end,
            i.entries, i.idempotency_key, i.effective_on, i.description, i.external_id, i.metadata
        )::ledger_private.item
        from unnest(deny_items.items) as i
        left join lateral (
            select l.account_id, h.code
            from unnest(i.entries) with ordinality as l (account_id, amount, leg)
            cross join lateral ledger_private.holder_refusal(
                deny_items.book_id, deny_items.user_id, l.account_id, l.amount < 0
            ) as h (code)
            where h.code is not null
            -- What she may not see comes before what she may not do.
            order by h.code, l.leg
            limit 1
        ) as d on true
        order by i.ordinal
    );
end;
$$;

comment on function ledger_private.deny_items is
'Return the items of a batch, refused where a holder may not post them.';

revoke execute on function ledger_private.deny_items
from public, anon, authenticated, service_role;
