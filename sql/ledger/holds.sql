-- Holds as callers see them; also what the hold functions return.

create view ledger.holds with (security_invoker = true) as
select
    h.id,
    h.book_id,
    h.account_id,
    h.to_account_id,
    h.amount::bigint as amount,
    h.captured::bigint as captured,
    h.released::bigint as released,
    h.expires_at,
    h.state,
    h.description,
    h.metadata,
    h.created_by,
    h.created_at
from ledger_private.holds as h;

comment on view ledger.holds is 'Holds on the accounts of your books, in minor units.';

revoke all on table ledger.holds from public, anon, authenticated, service_role;
grant select on table ledger.holds to authenticated, service_role;
