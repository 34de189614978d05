-- ledger_private.replay: the answer to an idempotency key that is taken. Called by the engine only.
--
-- Volatile, though it only reads: the row may have been committed after the caller's statement
-- began, and a stable function would look with that statement's snapshot.

create or replace function ledger_private.replay(
    book_id uuid,
    door ledger_private.door,
    idempotency_key text,
    request_hash bytea,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_transaction_id uuid;
    v_request_hash bytea;
begin
    select t.id, t.request_hash into v_transaction_id, v_request_hash
    from ledger_private.transactions as t
    where t.book_id = replay.book_id and t.idempotency_key = replay.idempotency_key;

    if v_request_hash <> replay.request_hash then
        perform ledger_private.raise_error(
            'idempotency_mismatch', jsonb_build_object('idempotency_key', replay.idempotency_key)
        );
    elsif v_transaction_id is null then
        return null;
    end if;
    return ledger_private.as_replay(
        replay.door, ledger_private.receipt_of(replay.book_id, v_transaction_id), replay.dry_run
    );
end;
$$;

comment on function ledger_private.replay is
'Return the first receipt of a key, null where it is free, or refuse a different request.';

revoke execute on function ledger_private.replay
from public, anon, authenticated, service_role;
