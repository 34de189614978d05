-- ledger_private.check_book_visible: what the caller may not see does not exist for her. Runs as
-- the caller: row level security decides.

create or replace function ledger_private.check_book_visible(book_id uuid)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from ledger.books as b where b.id = check_book_visible.book_id) then
        perform ledger_private.raise_error(
            'book_not_found', jsonb_build_object('book_id', check_book_visible.book_id)
        );
    end if;
end;
$$;

comment on function ledger_private.check_book_visible is
'Raise book_not_found unless the caller may see the book.';

revoke execute on function ledger_private.check_book_visible
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_book_visible to authenticated, service_role;
