-- ledger_private.my_memberships: the books in which the signed-in user has any role, holders
-- included: what the policy of books asks, and the first thing that the policy of transactions
-- does. One array, evaluated once a statement: a function of the row would be called for every row
-- of all tenants.

create or replace function ledger_private.my_memberships()
returns uuid[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return array(
        select m.book_id
        from ledger_private.book_members as m
        where m.user_id = (select auth.uid())
    );
end;
$$;

comment on function ledger_private.my_memberships is
'Return the ids of the books of which the signed-in user is a member, in any role.';

revoke execute on function ledger_private.my_memberships
from public, anon, authenticated, service_role;
grant execute on function ledger_private.my_memberships to authenticated;
