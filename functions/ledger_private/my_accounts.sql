-- ledger_private.my_accounts: what every policy asks for a holder.
--
-- Pairs: an account's id is the caller's to choose, so it may stand in a second book, whose owner
-- must not learn by it what is in the first.
--
-- Definer, so that it reads without asking the policies that ask it. A set that does not depend on
-- the row, so that a policy evaluates it once a statement, and only where my_books says no.

create or replace function ledger_private.my_accounts()
returns table (book_id uuid, account_id uuid)
language plpgsql
stable
security definer
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select h.book_id, h.account_id
    from ledger_private.account_holders as h
    where h.user_id = (select auth.uid());
end;
$$;

comment on function ledger_private.my_accounts is
'Return the books and ids of the accounts that the signed-in user holds.';

revoke execute on function ledger_private.my_accounts
from public, anon, authenticated, service_role;
grant execute on function ledger_private.my_accounts to authenticated;
