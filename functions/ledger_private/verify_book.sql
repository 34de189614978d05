-- ledger_private.verify_book: the engine of ledger.verify_book.
--
-- Runs as the owner: row level security would ask of each entry what is asked here once of the
-- book, and functions in its policies keep a query from running in parallel.

create or replace function ledger_private.verify_book(book_id uuid)
returns setof ledger.check_result
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_user uuid := ledger_private.caller();
begin
    if v_user is not null and not exists (
        select from ledger_private.book_members as m
        where m.book_id = verify_book.book_id and m.user_id = v_user and m.role <> 'holder'
    ) then
        perform ledger_private.raise_error(
            'book_not_found', jsonb_build_object('book_id', verify_book.book_id)
        );
    end if;
    return query select c.* from ledger_private.check_transactions(verify_book.book_id) as c;
    return query select c.* from ledger_private.check_entries(verify_book.book_id) as c;
    return query select c.* from ledger_private.check_balances(verify_book.book_id) as c;
    return query select c.* from ledger_private.check_follow_ups(verify_book.book_id) as c;
    return query select c.* from ledger_private.check_rules(verify_book.book_id) as c;
end;
$$;

comment on function ledger_private.verify_book is
'Run every check of a book, for who may see the whole of it.';

revoke execute on function ledger_private.verify_book
from public, anon, authenticated, service_role;
grant execute on function ledger_private.verify_book to authenticated, service_role;
