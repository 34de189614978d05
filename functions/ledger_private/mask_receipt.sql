-- ledger_private.mask_receipt: a holder's receipt says nothing of accounts that she does not hold,
-- as row level security would have it. Called by the engine only.

create or replace function ledger_private.mask_receipt(
    door ledger_private.door,
    receipt ledger.receipt
)
returns ledger.receipt
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if mask_receipt.door.role = 'holder' and mask_receipt.receipt.kind is not null then
        mask_receipt.receipt.entries := array(
            select (e.account_id, e.amount, e.balance_after, e.version)::ledger.receipt_entry
            from unnest(mask_receipt.receipt.entries) with ordinality as e (
                account_id, amount, balance_after, version, leg
            )
            inner join ledger_private.account_holders as h
                on h.book_id = mask_receipt.receipt.book_id
                and h.account_id = e.account_id
                and h.user_id = mask_receipt.door.user_id
            order by e.leg
        );
    end if;
    return mask_receipt.receipt;
end;
$$;

comment on function ledger_private.mask_receipt is
'Return the part of a receipt that its caller may see.';

revoke execute on function ledger_private.mask_receipt
from public, anon, authenticated, service_role;
