-- ledger_private.claim_transaction: the row of a posting, level 1 of the global order: its key is
-- the lock between duplicates, the second sender waits here. Called by the engine only, after
-- enter_book.
--
-- A replay is answered before the state of accounts and periods is looked at: the money moved then,
-- whatever has been closed since. A dry run writes nothing.

create or replace function ledger_private.claim_transaction(
    book_id uuid,
    door ledger_private.door,
    kind text,
    idempotency_key text,
    request_hash bytea,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb,
    reverses_id uuid,
    dry_run boolean
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
-- on conflict names a column as a parameter is named; parameters are qualified everywhere.
#variable_conflict use_column
declare
    v_receipt ledger.receipt;
    v_today date := (now() at time zone 'UTC')::date;
begin
    if claim_transaction.dry_run then
        v_receipt := ledger_private.replay(
            claim_transaction.book_id, claim_transaction.door, claim_transaction.idempotency_key,
            claim_transaction.request_hash, true
        );
        if v_receipt.kind is null then
            v_receipt := row(
                null, claim_transaction.book_id, claim_transaction.kind, clock_timestamp(),
                coalesce(claim_transaction.effective_on, v_today), false, true, null
            );
        end if;
        return v_receipt;
    end if;

    begin
        insert into ledger_private.transactions as t (
            book_id, id, kind, effective_on, description, idempotency_key, request_hash,
            external_id, reverses_id, metadata, created_by
        )
        values (
            claim_transaction.book_id, ledger_private.new_id(), claim_transaction.kind,
            coalesce(claim_transaction.effective_on, v_today),
            claim_transaction.description, claim_transaction.idempotency_key,
            claim_transaction.request_hash, claim_transaction.external_id,
            claim_transaction.reverses_id, coalesce(claim_transaction.metadata, '{}'),
            (claim_transaction.door).user_id
        )
        on conflict (book_id, idempotency_key) where idempotency_key is not null do nothing
        returning
            t.id, t.book_id, t.kind, t.posted_at, t.effective_on, false, false,
            null::ledger.receipt_entry[]
        into v_receipt;
    exception when lock_not_available then
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('idempotency_key', claim_transaction.idempotency_key)
        );
    end;

    if v_receipt.transaction_id is null then
        return ledger_private.replay(
            claim_transaction.book_id, claim_transaction.door, claim_transaction.idempotency_key,
            claim_transaction.request_hash
        );
    end if;
    return v_receipt;
end;
$$;

comment on function ledger_private.claim_transaction is
$$Insert the row of a posting and return the beginning of its receipt; where the key is taken, the
first receipt, with replayed true.$$;

revoke execute on function ledger_private.claim_transaction
from public, anon, authenticated, service_role;
