-- ledger_private.my_books: what every policy asks. Books that she sees in part, as a holder, are
-- not among them: see my_accounts.
--
-- Definer, because the policy of book_members asks it too. One array, so that a policy evaluates it
-- once a statement. PL/pgSQL, because policy and function need each other and its body is bound
-- late.

create or replace function ledger_private.my_books()
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
        where m.user_id = (select auth.uid()) and m.role <> 'holder'
    );
end;
$$;

comment on function ledger_private.my_books is
'Return the ids of the books of which the signed-in user sees everything.';

revoke execute on function ledger_private.my_books from public, anon, authenticated, service_role;
grant execute on function ledger_private.my_books to authenticated;
