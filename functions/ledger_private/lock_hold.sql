-- ledger_private.lock_hold: level 4 of the global order. Locks a hold and reads its state. Called
-- by the engine only, under the lock of the balance that the hold reserves.

create or replace function ledger_private.lock_hold(book_id uuid, hold_id uuid)
returns ledger_private.holds
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_hold ledger_private.holds;
begin
    select h.* into v_hold
    from ledger_private.holds as h
    where h.book_id = lock_hold.book_id and h.id = lock_hold.hold_id
    for no key update;

    if v_hold.state <> 'pending' then
        perform ledger_private.raise_error('hold_state', jsonb_build_object(
            'hold_id', lock_hold.hold_id, 'state', v_hold.state
        ));
    end if;
    return v_hold;
exception when lock_not_available then
    perform ledger_private.raise_error('busy', jsonb_build_object('hold_id', lock_hold.hold_id));
    return null;
end;
$$;

comment on function ledger_private.lock_hold is
'Lock a hold and return it, or raise hold_state where it is no longer pending.';

revoke execute on function ledger_private.lock_hold
from public, anon, authenticated, service_role;
