-- Locked periods as callers see them; also what lock_period and unlock_period return.

create view ledger.periods with (security_invoker = true) as
select
    p.book_id,
    p.from_date,
    p.to_date,
    p.created_at
from ledger_private.period_locks as p;

comment on view ledger.periods is 'Locked periods of your books, both days included.';

revoke all on table ledger.periods from public, anon, authenticated, service_role;
grant select on table ledger.periods to authenticated, service_role;
