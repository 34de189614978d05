-- ledger_private.post_serializable: the engine behind ledger.transfer_serializable.
--
-- A 40001 must not leave: some gateways repeat it for ever. It is caught here and becomes
-- serialization_conflict. Its words are read before: a transaction that Postgres has given up may
-- read no table any more.

create or replace function ledger_private.post_serializable(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint,
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb,
    expect ledger.expectation[],
    dry_run boolean
)
returns ledger.receipt
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_conflict ledger_private.error_catalogue;
begin
    if current_setting('transaction_isolation') <> 'serializable' then
        perform ledger_private.raise_error('wrong_isolation', jsonb_build_object(
            'isolation', current_setting('transaction_isolation'), 'required', 'serializable'
        ));
    end if;
    select c.* into strict v_conflict
    from ledger_private.error_catalogue as c
    where c.code = 'serialization_conflict';

    return ledger_private.post_transfer(
        'transfer_serializable', post_serializable.book_id, post_serializable.from_account_id,
        post_serializable.to_account_id, post_serializable.amount,
        post_serializable.idempotency_key, post_serializable.effective_on,
        post_serializable.description, post_serializable.external_id,
        post_serializable.metadata, post_serializable.expect, post_serializable.dry_run
    );
exception when serialization_failure then
    perform ledger_private.raise_row(v_conflict, '{}');
    return null;
end;
$$;

comment on function ledger_private.post_serializable is
'Post a transfer at serializable, and turn a conflict into serialization_conflict.';

revoke execute on function ledger_private.post_serializable
from public, anon, authenticated, service_role;
grant execute on function ledger_private.post_serializable to authenticated, service_role;
