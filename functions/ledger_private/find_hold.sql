-- ledger_private.find_hold: a hold, for those who have come through enter_book. What it says of the
-- accounts never changes; its state may only be trusted after lock_hold. Called by the engine only.

create or replace function ledger_private.find_hold(book_id uuid, hold_id uuid)
returns ledger.holds
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_hold ledger.holds;
begin
    select h.* into v_hold
    from ledger.holds as h
    where h.book_id = find_hold.book_id and h.id = find_hold.hold_id;

    if not found then
        perform ledger_private.raise_error(
            'hold_not_found', jsonb_build_object('hold_id', find_hold.hold_id)
        );
    end if;
    return v_hold;
end;
$$;

comment on function ledger_private.find_hold is 'Return a hold, or raise hold_not_found.';

revoke execute on function ledger_private.find_hold
from public, anon, authenticated, service_role;
