-- ledger_private.as_replay: a receipt as the answer to a repeated call. A dry run names no
-- transaction, here as elsewhere. Called by the engine only.

create or replace function ledger_private.as_replay(
    door ledger_private.door,
    receipt ledger.receipt,
    dry_run boolean
)
returns ledger.receipt
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if (as_replay.receipt).kind is null then
        return null;
    end if;
    as_replay.receipt.replayed := true;
    as_replay.receipt.dry_run := as_replay.dry_run;
    if as_replay.dry_run then
        as_replay.receipt.transaction_id := null;
    end if;
    return ledger_private.mask_receipt(as_replay.door, as_replay.receipt);
end;
$$;

comment on function ledger_private.as_replay is
'Return a receipt marked as replayed, with what its caller may see.';

revoke execute on function ledger_private.as_replay
from public, anon, authenticated, service_role;
