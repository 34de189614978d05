-- ledger_private.restart_feed: after a logical restore the numbers of database transactions begin
-- anew, and what was written under larger ones lies in the future: the feed would hold it back for
-- years and mix it with new postings. All transactions move to the feed's beginning, in the order
-- of their ids, which is the order of time. See docs/how-to/restore-a-feed.md.
--
-- For the owner of the schema, by hand. Takes the lock of a change of the table: postings wait.
--
-- Tests   tests/integration/ledger_private/test_restart_feed.py

create or replace function ledger_private.restart_feed()
returns bigint
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    -- The first number that a transaction can have.
    v_first constant xid8 := '3'::xid8;
    v_moved bigint := 0;
begin
    lock table ledger_private.transactions in share row exclusive mode;
    if exists (
        select from ledger_private.transactions as t
        where t.xid >= pg_snapshot_xmax(pg_current_snapshot())
    ) then
        alter table ledger_private.transactions disable trigger transactions_are_final;
        update ledger_private.transactions as t set xid = v_first where t.xid <> v_first;
        get diagnostics v_moved = row_count;
        alter table ledger_private.transactions enable trigger transactions_are_final;
    end if;
    return v_moved;
end;
$$;

comment on function ledger_private.restart_feed is
$$Put all transactions at the beginning of the feed, where some have numbers of the future.

Returns how many were moved; readers of changes_since begin anew.$$;

revoke execute on function ledger_private.restart_feed
from public, anon, authenticated, service_role;
