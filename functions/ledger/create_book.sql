-- ledger.create_book: begin a set of books.
--
-- Raises  invalid_argument, idempotency_mismatch, user_not_found, forbidden, busy
-- Tests   tests/integration/ledger/test_create_book.py

create or replace function ledger.create_book(
    name text,
    base_currency text,
    id uuid default null
)
returns ledger.books
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.create_book(create_book.name, create_book.base_currency, create_book.id);
$$;

comment on function ledger.create_book is
$$Create a book and make the caller its owner.

name: 1 to 255 bytes. base_currency: a code of currencies. id: the caller's own, so that a repeat
returns the book of the first call. Called as service_role the book has no member yet: see
set_member.$$;

revoke execute on function ledger.create_book from public, anon, authenticated, service_role;
grant execute on function ledger.create_book to authenticated, service_role;
