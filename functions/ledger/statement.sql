-- ledger.statement: what happened on an account between two value dates.
--
-- Raises  book_not_found, account_not_found, invalid_argument, amount_out_of_range
-- Tests   tests/integration/ledger/test_statement.py

create or replace function ledger.statement(
    book_id uuid,
    account_id uuid,
    from_date date,
    to_date date
)
returns ledger.statement
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_argument(
        'to_date',
        statement.from_date <= statement.to_date,
        'both dates, the first not after the second'
    );
    perform ledger_private.find_account(statement.book_id, statement.account_id);
    return ledger_private.statement_of(
        statement.book_id, statement.account_id, statement.from_date, statement.to_date
    );
end;
$$;

comment on function ledger.statement is
$$Return the statement of an account for value dates from_date to to_date, both included.

Lines stand in value-date order with balances that run from opening to closing, in minor units.
Viewers and up, and who holds the account.$$;

revoke execute on function ledger.statement from public, anon, authenticated, service_role;
grant execute on function ledger.statement to authenticated, service_role;
