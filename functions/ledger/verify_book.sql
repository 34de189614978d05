-- ledger.verify_book: prove a book from its entries.
--
-- Raises  book_not_found, forbidden
-- Tests   tests/integration/ledger/test_verify_book.py

create or replace function ledger.verify_book(
    book_id uuid
)
returns setof ledger.check_result
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_reader(verify_book.book_id);
    return query select c.* from ledger_private.verify_book(verify_book.book_id) as c;
end;
$$;

comment on function ledger.verify_book is
$$Recompute a book from its entries and compare: sums, balances, hash chains, limits, holds.

Every check returns one row, ok or with its first offenders in details. Reads every entry of the
book. Viewers and up.$$;

revoke execute on function ledger.verify_book from public, anon, authenticated, service_role;
grant execute on function ledger.verify_book to authenticated, service_role;
