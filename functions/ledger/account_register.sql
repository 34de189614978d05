-- ledger.account_register: the entries of an account, newest first.
--
-- Raises  book_not_found, account_not_found, invalid_argument, invalid_cursor,
--         amount_out_of_range
-- Tests   tests/integration/ledger/test_account_register.py

create or replace function ledger.account_register(
    book_id uuid,
    account_id uuid,
    page_size integer default 100,
    before text default null
)
returns setof ledger.register_line
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account ledger.accounts := ledger_private.find_account(
        account_register.book_id, account_register.account_id
    );
begin
    perform ledger_private.check_argument(
        'page_size', account_register.page_size between 1 and 1000, '1 to 1000'
    );
    return query select l.* from ledger_private.register_page(
        v_account, account_register.page_size, account_register.before
    ) as l;
end;
$$;

comment on function ledger.account_register is
$$Return the entries of an account with running balances, newest first.

page_size: 1 to 1000 lines. before: the cursor of the last line seen, for the next page. An account
with several slots is merged in the order of booked_at and transaction_id, and has no versions.
Viewers and up, and who holds the account.$$;

revoke execute on function ledger.account_register from public, anon, authenticated, service_role;
grant execute on function ledger.account_register to authenticated, service_role;
