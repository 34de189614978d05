-- ledger_private.touches_my_accounts: whether a holder may see a transaction.
--
-- A function of its own, and definer: as a subquery of the policy it would be planned for everybody
-- who reads transactions, and could become a scan of all entries.

create or replace function ledger_private.touches_my_accounts(book_id uuid, transaction_id uuid)
returns boolean
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select
        from ledger_private.entries as e
        inner join ledger_private.account_holders as h
            on h.book_id = e.book_id and h.account_id = e.account_id
        where
            e.book_id = touches_my_accounts.book_id
            and e.transaction_id = touches_my_accounts.transaction_id
            and h.user_id = (select auth.uid())
    );
end;
$$;

comment on function ledger_private.touches_my_accounts is
'Return whether a transaction has an entry on an account that the signed-in user holds.';

revoke execute on function ledger_private.touches_my_accounts
from public, anon, authenticated, service_role;
grant execute on function ledger_private.touches_my_accounts to authenticated;
