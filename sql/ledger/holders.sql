-- Holders as callers see them; also what set_holder and remove_holder return.

create view ledger.holders with (security_invoker = true) as
select
    h.book_id,
    h.account_id,
    h.user_id,
    h.access,
    h.created_at
from ledger_private.account_holders as h;

comment on view ledger.holders is 'Who holds which account: access view or spend.';

revoke all on table ledger.holders from public, anon, authenticated, service_role;
grant select on table ledger.holders to authenticated, service_role;
