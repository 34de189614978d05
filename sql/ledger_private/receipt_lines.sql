-- The entries of transactions as receipts and the feed show them. Seen with the rights of who
-- reads: a holder finds only the entries of her accounts.

create view ledger_private.receipt_lines with (security_invoker = true) as
select
    e.book_id,
    e.transaction_id,
    e.leg,
    row(
        e.account_id,
        e.amount,
        case when b.slots = 1 then e.balance_after end,
        case when b.slots = 1 then e.version end
    )::ledger.receipt_entry as line
from ledger_private.entries as e
cross join
    lateral (
        select x.slots
        from ledger_private.balances as x
        where x.book_id = e.book_id and x.account_id = e.account_id and x.slot = e.slot
        -- Keeps it one probe for each entry, see ledger_private.register.
        offset 0 -- noqa: AM09
    ) as b;

comment on view ledger_private.receipt_lines is
'Entries of one transaction at a time; without balances where an account has several slots.';

revoke all on table ledger_private.receipt_lines from public, anon, authenticated, service_role;
grant select on table ledger_private.receipt_lines to authenticated, service_role;
