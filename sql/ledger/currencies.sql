-- Currencies as callers see them.

create view ledger.currencies with (security_invoker = true) as
select
    c.code,
    c.exponent,
    c.name
from ledger_private.currencies as c;

comment on view ledger.currencies is 'Currencies, with the number of decimal places of an amount.';

revoke all on table ledger.currencies from public, anon, authenticated, service_role;
grant select on table ledger.currencies to authenticated, service_role;
