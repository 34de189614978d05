-- ledger_private.lines_receipt: what a receipt says of decided lines. An account with several slots
-- has no single version or running balance. Called by the engine only.

create or replace function ledger_private.lines_receipt(
    receipt ledger.receipt,
    lines ledger_private.line[]
)
returns ledger.receipt
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    lines_receipt.receipt.entries := array(
        select row(
            l.account_id, l.amount,
            case when l.slots = 1 then l.balance_after end,
            case when l.slots = 1 then l.version end
        )::ledger.receipt_entry
        from unnest(lines_receipt.lines) as l
        order by l.leg
    );
    return lines_receipt.receipt;
end;
$$;

comment on function ledger_private.lines_receipt is
'Return a receipt with the entries of one posting.';

revoke execute on function ledger_private.lines_receipt
from public, anon, authenticated, service_role;
