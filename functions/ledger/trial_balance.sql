-- ledger.trial_balance: the balances of all accounts of a book, which cancel out.
--
-- Raises  book_not_found, forbidden, invalid_argument, amount_out_of_range
-- Tests   tests/integration/ledger/test_trial_balance.py

create or replace function ledger.trial_balance(
    book_id uuid,
    effective_on date default null
)
returns setof ledger.balance
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_reader(trial_balance.book_id);
    return query
    select b.*
    from ledger_private.balances_of(
        trial_balance.book_id, null, null, trial_balance.effective_on
    ) as b;
end;
$$;

comment on function ledger.trial_balance is
$$Return all balances of a book by account id, in minor units: they sum to zero per currency.

effective_on: all that is booked by now with a value date up to that day; without it, all that is
booked. Reads a row for each account of the book. The API returns at most 1,000 rows a call: sum a
larger book from pages of get_balances. Viewers and up.$$;

revoke execute on function ledger.trial_balance from public, anon, authenticated, service_role;
grant execute on function ledger.trial_balance to authenticated, service_role;
