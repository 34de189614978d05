-- ledger.get_balances: the current balances of a book, or of some of its accounts.
--
-- Raises  book_not_found
-- Tests   tests/integration/ledger/test_get_balances.py

create or replace function ledger.get_balances(
    book_id uuid,
    account_ids uuid[] default null
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
    select a.id, a.currency, a.posted, a.held, a.available, a.version
    from ledger.accounts as a
    where
        a.book_id = get_balances.book_id
        and (get_balances.account_ids is null or a.id = any(get_balances.account_ids))
    order by a.id;
end;
$$;

comment on function ledger.get_balances is
$$Return current balances of a book by account id, in minor units.

account_ids: only these; unknown ones are left out. The API returns at most 1,000 rows a call:
page a larger book by passing account_ids. Viewers and up.$$;

revoke execute on function ledger.get_balances from public, anon, authenticated, service_role;
grant execute on function ledger.get_balances to authenticated, service_role;
