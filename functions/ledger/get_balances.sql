-- ledger.get_balances: the balances of a book, or of some of its accounts, now or in the past.
--
-- Raises  book_not_found, invalid_argument, amount_out_of_range
-- Tests   tests/integration/ledger/test_get_balances.py

create or replace function ledger.get_balances(
    book_id uuid,
    account_ids uuid[] default null,
    as_of timestamptz default null,
    effective_on date default null
)
returns setof ledger.balance
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_visible(get_balances.book_id);
    return query
    select b.*
    from ledger_private.balances_of(
        get_balances.book_id, get_balances.account_ids, get_balances.as_of,
        get_balances.effective_on
    ) as b;
end;
$$;

comment on function ledger.get_balances is
$$Return balances of a book by account id, in minor units: of now, of a moment, or of a value date.

account_ids: only these; unknown ones are left out. as_of, effective_on: as in get_balance. Without
account_ids it reads a row for each account of the book. The API returns at most 1,000 rows a call:
page a larger book by passing account_ids. Viewers and up; holders get the accounts that they
hold.$$;

revoke execute on function ledger.get_balances from public, anon, authenticated, service_role;
grant execute on function ledger.get_balances to authenticated, service_role;
