-- ledger_private.preview_transfer: the entries of a transfer that is not made. Called by
-- post_transfer only, for a dry run, under the locks.

create or replace function ledger_private.preview_transfer(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint
)
returns ledger.receipt_entry[]
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    return array(
        select row(
            b.account_id, s.amount,
            case b.slots when 1 then b.posted + s.amount end,
            case b.slots when 1 then b.version + 1 end
        )::ledger.receipt_entry
        from (
            values
            (preview_transfer.from_account_id, 1, -preview_transfer.amount),
            (preview_transfer.to_account_id, 2, preview_transfer.amount)
        ) as s (account_id, leg, amount)
        inner join ledger_private.balances as b
            on b.book_id = preview_transfer.book_id and b.account_id = s.account_id
            and b.slot = mod(pg_backend_pid(), b.slots)
        order by s.leg
    );
end;
$$;

comment on function ledger_private.preview_transfer is
'Return what the receipt of a transfer would say. Amount in minor units.';

revoke execute on function ledger_private.preview_transfer
from public, anon, authenticated, service_role;
