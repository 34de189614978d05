-- ledger_private.capture_hold: the engine behind ledger.capture_hold.
--
-- The hold's accounts are read without a lock, since they never change; its state is read under the
-- locks. Accounts that are only expected something of join the one sorted lock.

create or replace function ledger_private.capture_hold(
    book_id uuid,
    hold_id uuid,
    amount bigint,
    final boolean,
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
set enable_seqscan = off
as $$
declare
    v_door ledger_private.door;
    v_hash bytea;
    v_accounts uuid[];
    v_hold ledger_private.holds;
    v_receipt ledger.receipt;
    v_left bigint;
    v_amount bigint;
    v_final boolean;
begin
    perform ledger_private.check_argument(
        'final', capture_hold.final is not null, 'true or false'
    );
    v_hash := ledger_private.check_posting(
        'capture_hold',
        concat_ws(
            ' ', capture_hold.hold_id, capture_hold.amount,
            case when not capture_hold.final then 'more' end,
            nullif(capture_hold.expect, '{}')
        ),
        capture_hold.idempotency_key, capture_hold.effective_on, capture_hold.description,
        capture_hold.external_id, capture_hold.metadata
    );
    v_door := ledger_private.enter_book(
        capture_hold.book_id, 'editor', replay_key => capture_hold.idempotency_key
    );
    select array[h.account_id, h.to_account_id] into v_accounts
    from ledger_private.find_hold(capture_hold.book_id, capture_hold.hold_id) as h;

    v_receipt := ledger_private.claim_transaction(
        capture_hold.book_id, v_door, 'capture', capture_hold.idempotency_key, v_hash,
        capture_hold.effective_on, capture_hold.description, capture_hold.external_id,
        coalesce(capture_hold.metadata, '{}')
        || jsonb_build_object('hold_id', capture_hold.hold_id),
        null, capture_hold.dry_run
    );
    if v_receipt.replayed then
        return v_receipt;
    end if;

    if v_door.has_groups then
        perform ledger_private.lock_groups(capture_hold.book_id, v_accounts);
    end if;
    perform ledger_private.lock_accounts(
        capture_hold.book_id,
        v_accounts || array(select x.account_id from unnest(capture_hold.expect) as x)
    );
    v_hold := ledger_private.lock_hold(capture_hold.book_id, capture_hold.hold_id);
    if v_hold.expires_at <= clock_timestamp() then
        perform ledger_private.raise_error('hold_expired', jsonb_build_object(
            'hold_id', v_hold.id, 'expires_at', v_hold.expires_at
        ));
    end if;
    v_left := v_hold.amount - v_hold.captured;
    v_amount := coalesce(capture_hold.amount, v_left);
    v_final := capture_hold.final or v_amount = v_left;
    if v_amount not between 1 and v_left then
        perform ledger_private.raise_error('invalid_amount', jsonb_build_object(
            'amount', v_amount, 'remaining', v_left
        ));
    end if;

    v_receipt := ledger_private.post_legs(
        capture_hold.book_id, v_door, v_receipt,
        array[
            row(
                null, null, v_hold.account_id, null, -v_amount,
                -case when v_final then v_left else v_amount end, null, null
            ),
            row(null, null, v_hold.to_account_id, null, v_amount, null, null, null)
        ]::ledger_private.leg[],
        capture_hold.expect
    );
    if not v_receipt.dry_run then
        update ledger_private.holds as h
        set
            captured = h.captured + v_amount,
            released = case when v_final then v_left - v_amount else 0 end,
            state = case when v_final then 'captured' else 'pending' end
        where h.book_id = capture_hold.book_id and h.id = capture_hold.hold_id;
    end if;
    return v_receipt;
end;
$$;

comment on function ledger_private.capture_hold is
'Post what a hold has set aside: the engine of ledger.capture_hold. amount in minor units.';

revoke execute on function ledger_private.capture_hold
from public, anon, authenticated, service_role;
grant execute on function ledger_private.capture_hold to authenticated, service_role;
