-- ledger_private.update_book: the engine behind ledger.update_book. Under the exclusive lock: a
-- posting that has read the book as open must end first.

create or replace function ledger_private.update_book(book_id uuid, name text, archived boolean)
returns ledger.books
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_book ledger.books;
begin
    perform ledger_private.check_argument(
        'name',
        coalesce(octet_length(update_book.name) between 1 and 255, true),
        '1 to 255 bytes'
    );
    perform ledger_private.enter_book(
        update_book.book_id, 'owner', exclusive => true, allow_archived => true
    );

    update ledger_private.books as b
    set
        name = coalesce(update_book.name, b.name),
        archived_at = case
            when update_book.archived is null then b.archived_at
            when update_book.archived then coalesce(b.archived_at, clock_timestamp())
        end
    where b.id = update_book.book_id
    returning b.id, b.name, b.base_currency, b.archived_at, b.created_at into v_book;
    return v_book;
end;
$$;

comment on function ledger_private.update_book is
'Rename or archive a book: the engine of ledger.update_book.';

revoke execute on function ledger_private.update_book
from public, anon, authenticated, service_role;
grant execute on function ledger_private.update_book to authenticated, service_role;
