-- Accounts with their current balances, as callers see them; also what the account functions
-- return.

create view ledger.accounts with (security_invoker = true) as
select
    a.id,
    a.book_id,
    a.code,
    a.name,
    a.type,
    a.currency,
    a.min_balance::bigint as min_balance,
    a.max_balance::bigint as max_balance,
    a.payable,
    a.slots,
    a.status,
    a.external_id,
    a.metadata,
    a.created_at,
    b.posted::bigint as posted,
    b.held::bigint as held,
    -- null without a floor
    b.posted - b.held - a.min_balance as available,
    b.version
from ledger_private.accounts as a
inner join ledger_private.balances as b
    on b.book_id = a.book_id and b.account_id = a.id and b.slot = 0;

comment on view ledger.accounts is 'Accounts of your books with current balances, in minor units.';

revoke all on table ledger.accounts from public, anon, authenticated, service_role;
grant select on table ledger.accounts to authenticated, service_role;
