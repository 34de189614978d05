-- ledger_private.check_groups: one posting, or hold, against the joint floors of its accounts.
-- Called by the engine only, before it writes, where the book has groups.
--
-- Every group that is met gets a new version, also where its sum does not fall: that write makes
-- transfer_serializable, which locks no group beforehand, conflict with all others. It comes here
-- with its balances locked, so it must not wait for a group: others wait the other way round.

create or replace function ledger_private.check_groups(
    book_id uuid,
    door ledger_private.door,
    account_ids uuid[],
    deltas bigint[],
    dry_run boolean default false
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v record;
begin
    if current_setting('transaction_isolation') = 'serializable' then
        begin
            perform
            from ledger_private.account_groups as g
            where
                g.book_id = check_groups.book_id
                and g.id = any(array(
                    select m.group_id
                    from ledger_private.account_group_members as m
                    where
                        m.book_id = check_groups.book_id
                        and m.account_id = any(check_groups.account_ids)
                ))
            for no key update nowait;
        exception when lock_not_available then
            raise serialization_failure using message = 'a posting on the group is under way';
        end;
    end if;

    for v in
        select g.id, g.min_total, sum(d.delta) as delta
        from unnest(check_groups.account_ids, check_groups.deltas) as d (account_id, delta)
        inner join ledger_private.account_group_members as m
            on m.book_id = check_groups.book_id and m.account_id = d.account_id
        inner join ledger_private.account_groups as g
            on g.book_id = m.book_id and g.id = m.group_id
        group by g.id, g.min_total
        order by g.id
    loop
        if v.delta < 0 then
            perform ledger_private.check_group(
                check_groups.book_id, check_groups.door, v.id, v.min_total, v.delta
            );
        end if;
        if not check_groups.dry_run then
            update ledger_private.account_groups as g
            set version = g.version + 1
            where g.book_id = check_groups.book_id and g.id = v.id;
        end if;
    end loop;
end;
$$;

comment on function ledger_private.check_groups is
$$Raise group_floor where changes of accounts break a joint floor.

deltas: changes of posted − held, in minor units, in the order of account_ids.$$;

revoke execute on function ledger_private.check_groups
from public, anon, authenticated, service_role;
