-- ledger_private.lock_groups: level 2 of the global order. Locks the groups that accounts are in,
-- sorted. Called by the engine only, where the book has groups; under the book's lock nobody
-- changes who is in them.

create or replace function ledger_private.lock_groups(book_id uuid, account_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    perform
    from ledger_private.account_groups as g
    where
        g.book_id = lock_groups.book_id
        and g.id = any(array(
            select m.group_id
            from ledger_private.account_group_members as m
            where
                m.book_id = lock_groups.book_id and m.account_id = any(lock_groups.account_ids)
        ))
    order by g.id
    for no key update;
exception when lock_not_available then
    perform ledger_private.raise_error(
        'busy', jsonb_build_object('book_id', lock_groups.book_id)
    );
end;
$$;

comment on function ledger_private.lock_groups is
'Lock the groups of accounts in the global order, or raise busy.';

revoke execute on function ledger_private.lock_groups
from public, anon, authenticated, service_role;
