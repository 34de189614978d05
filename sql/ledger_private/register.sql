-- An account's entries with the words of their transactions: what registers and statements read.
-- Seen with the rights of who reads.

create view ledger_private.register with (security_invoker = true) as
select
    e.book_id,
    e.account_id,
    e.slot,
    e.dated,
    e.transaction_id,
    e.leg,
    t.kind,
    e.booked_at,
    t.effective_on,
    t.description,
    e.amount::bigint as amount,
    e.balance_after::bigint as balance_after,
    e.version,
    -- The entry's key in its account, as read_cursor reads it.
    concat(
        'e', e.slot, '-', (extract(epoch from e.booked_at) * 1000000)::bigint, '-', e.version
    ) as cursor
from ledger_private.entries as e
cross join
    lateral (
        select
            x.kind,
            x.effective_on,
            x.description
        from ledger_private.transactions as x
        where x.book_id = e.book_id and x.id = e.transaction_id
        -- Keeps it one probe for each entry: under row level security, and where statistics are
        -- old, the planner may prefer to read the book's transactions for each.
        offset 0 -- noqa: AM09
    ) as t;

comment on view ledger_private.register is
'Entries with their transactions, for one account at a time.';

revoke all on table ledger_private.register from public, anon, authenticated, service_role;
grant select on table ledger_private.register to authenticated, service_role;
