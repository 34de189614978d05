-- ledger_private.is_holder: whether the caller sees a book in part only. Runs as the caller:
-- service_role and the owner of the schema see all of it, whatever a token says.

create or replace function ledger_private.is_holder(book_id uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    return row_security_active('ledger_private.book_members') and exists (
        select from ledger_private.book_members as m
        where
            m.book_id = is_holder.book_id
            and m.user_id = (select auth.uid())
            and m.role = 'holder'
    );
end;
$$;

comment on function ledger_private.is_holder is
'Return whether the caller is a holder in the book: sees only accounts that she holds.';

revoke execute on function ledger_private.is_holder from public, anon, authenticated, service_role;
grant execute on function ledger_private.is_holder to authenticated, service_role;
