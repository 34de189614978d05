-- Accounts with their current balances, as callers see them; also what the account functions
-- return. An account with several slots is the sum of them.

create view ledger.accounts with (security_invoker = true) as
select
    a.id,
    a.book_id,
    a.code,
    a.name,
    a.type,
    a.currency,
    b.min_balance::bigint as min_balance,
    b.max_balance::bigint as max_balance,
    a.payable,
    b.slots,
    b.status::text as status,
    a.external_id,
    a.metadata,
    a.created_at,
    case when b.slots = 1 then b.posted else s.posted end::bigint as posted,
    b.held::bigint as held,
    -- null without a floor; never beyond what JSON holds exactly
    case
        when b.min_balance is not null
            then least(b.posted - b.held - b.min_balance, 9007199254740991)
    end as available,
    case when b.slots = 1 then b.version end as version
from ledger_private.accounts as a
inner join ledger_private.balances as b
    on b.book_id = a.book_id and b.account_id = a.id and b.slot = 0
left join lateral (
    select sum(x.posted)::bigint as posted
    from ledger_private.balances as x
    where x.book_id = b.book_id and x.account_id = b.account_id and b.slots > 1
) as s on b.slots > 1;

comment on view ledger.accounts is
$$Accounts of your books with current balances, in minor units. version is null where an account has
several slots.$$;

revoke all on table ledger.accounts from public, anon, authenticated, service_role;
grant select on table ledger.accounts to authenticated, service_role;
