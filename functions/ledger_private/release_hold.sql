-- ledger_private.release_hold: the engine behind ledger.release_hold.
--
-- No lock of groups, and no new version of them: their sums only rise. A posting that has looked
-- before this commits has counted too little, which breaks no floor.

create or replace function ledger_private.release_hold(book_id uuid, hold_id uuid)
returns ledger.holds
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_hold ledger_private.holds;
    v_account_id uuid;
begin
    perform ledger_private.enter_book(release_hold.book_id, 'editor');
    select h.account_id into v_account_id
    from ledger_private.find_hold(release_hold.book_id, release_hold.hold_id) as h;

    perform ledger_private.lock_accounts(release_hold.book_id, array[v_account_id]);
    v_hold := ledger_private.lock_hold(release_hold.book_id, release_hold.hold_id);

    update ledger_private.holds as h
    set released = h.amount - h.captured, state = 'released'
    where h.book_id = release_hold.book_id and h.id = release_hold.hold_id;
    update ledger_private.balances as b
    set held = b.held - (v_hold.amount - v_hold.captured)
    where b.book_id = release_hold.book_id and b.account_id = v_account_id and b.slot = 0;
    return ledger_private.find_hold(release_hold.book_id, release_hold.hold_id);
end;
$$;

comment on function ledger_private.release_hold is
'Give back what is left of a hold: the engine of ledger.release_hold.';

revoke execute on function ledger_private.release_hold
from public, anon, authenticated, service_role;
grant execute on function ledger_private.release_hold to authenticated, service_role;
