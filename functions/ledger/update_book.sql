-- ledger.update_book: rename a book, archive it, bring it back.
--
-- Raises  book_not_found, forbidden, invalid_argument, busy
-- Tests   tests/integration/ledger/test_update_book.py

create or replace function ledger.update_book(
    book_id uuid,
    name text default null,
    archived boolean default null
)
returns ledger.books
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.update_book(update_book.book_id, update_book.name, update_book.archived);
$$;

comment on function ledger.update_book is
$$Rename a book, archive it or bring it back.

Null leaves as is. An archived book can be read but takes no changes. Owners only.$$;

revoke execute on function ledger.update_book from public, anon, authenticated, service_role;
grant execute on function ledger.update_book to authenticated, service_role;
