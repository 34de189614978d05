-- ledger.account_register: the entries of an account, newest first.
--
-- Raises  book_not_found, account_not_found, invalid_argument, invalid_cursor
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
begin
    perform ledger_private.find_account(account_register.book_id, account_register.account_id);
    perform ledger_private.check_argument('page_size', page_size between 1 and 1000, '1 to 1000');
    return query
    select
        r.transaction_id, r.leg, r.kind, r.booked_at, r.effective_on, r.description, r.amount,
        r.balance_after, r.version, r.cursor
    from ledger_private.register as r
    where
        r.book_id = account_register.book_id
        and r.account_id = account_register.account_id
        and r.version < ledger_private.read_cursor(account_register.before)
    order by r.version desc
    limit account_register.page_size;
end;
$$;

comment on function ledger.account_register is
$$Return the entries of an account with running balances, newest first.

page_size: 1 to 1000 lines. before: the cursor of the last line seen, for the next page. Viewers
and up.$$;

revoke execute on function ledger.account_register from public, anon, authenticated, service_role;
grant execute on function ledger.account_register to authenticated, service_role;
