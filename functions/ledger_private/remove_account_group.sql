-- ledger_private.remove_account_group: the engine behind ledger.remove_account_group. Under the
-- exclusive lock: a posting that has found the group must end first.

create or replace function ledger_private.remove_account_group(book_id uuid, group_id uuid)
returns ledger.groups
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_group ledger.groups;
begin
    perform ledger_private.enter_book(remove_account_group.book_id, 'owner', exclusive => true);

    select g.* into v_group
    from ledger.groups as g
    where g.book_id = remove_account_group.book_id and g.id = remove_account_group.group_id;

    if not found then
        perform ledger_private.raise_error(
            'group_not_found', jsonb_build_object('group_id', remove_account_group.group_id)
        );
    end if;

    delete from ledger_private.account_groups as g
    where g.book_id = remove_account_group.book_id and g.id = remove_account_group.group_id;

    update ledger_private.books as b
    set has_groups = false
    where
        b.id = remove_account_group.book_id
        and not exists (
            select from ledger_private.account_groups as g where g.book_id = b.id
        );
    return v_group;
end;
$$;

comment on function ledger_private.remove_account_group is
'Take a joint floor away: the engine of ledger.remove_account_group. Returns what it was.';

revoke execute on function ledger_private.remove_account_group
from public, anon, authenticated, service_role;
grant execute on function ledger_private.remove_account_group to authenticated, service_role;
