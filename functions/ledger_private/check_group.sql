-- ledger_private.check_group: the sum of a group against its floor. Volatile: it is read under the
-- group's lock, in a snapshot that is newer than the lock.

create or replace function ledger_private.check_group(
    book_id uuid,
    door ledger_private.door,
    group_id uuid,
    min_total bigint,
    delta numeric
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_total numeric;
begin
    select coalesce(sum(b.posted - b.held), 0) into v_total
    from ledger_private.account_group_members as m
    inner join ledger_private.balances as b
        on b.book_id = m.book_id and b.account_id = m.account_id and b.slot = 0
    where m.book_id = check_group.book_id and m.group_id = check_group.group_id;

    if v_total + check_group.delta < check_group.min_total then
        perform ledger_private.raise_error('group_floor', jsonb_strip_nulls(jsonb_build_object(
            'group_id', check_group.group_id,
            -- A holder is not told what others have.
            'available',
            case
                when (check_group.door).role <> 'holder'
                    then v_total - check_group.min_total
            end,
            'required', -check_group.delta
        )));
    end if;
end;
$$;

comment on function ledger_private.check_group is
$$Raise group_floor where a group would fall below its floor.

delta: the change that is coming, in minor units.$$;

revoke execute on function ledger_private.check_group
from public, anon, authenticated, service_role;
