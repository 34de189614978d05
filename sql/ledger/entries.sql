-- Entries as callers see them.

create view ledger.entries with (security_invoker = true) as
select
    e.book_id,
    e.account_id,
    e.slot,
    e.version,
    e.transaction_id,
    e.leg,
    e.amount::bigint as amount,
    e.balance_after::bigint as balance_after,
    e.booked_at,
    coalesce(e.dated, (e.booked_at at time zone 'UTC')::date) as effective_on,
    encode(e.hash, 'hex') as hash
from ledger_private.entries as e;

comment on view ledger.entries is
$$Entries of your books: signed amounts and running balances, in minor units. hash: SHA-256 of the
entry and the one before it, in hexadecimal.$$;

revoke all on table ledger.entries from public, anon, authenticated, service_role;
grant select on table ledger.entries to authenticated, service_role;
