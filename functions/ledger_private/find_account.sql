-- ledger_private.find_account: an account for those who may see it. Runs as the caller: row level
-- security decides.

create or replace function ledger_private.find_account(book_id uuid, account_id uuid)
returns ledger.accounts
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account ledger.accounts;
begin
    select a.* into v_account
    from ledger.accounts as a
    where a.book_id = find_account.book_id and a.id = find_account.account_id;

    if not found then
        perform ledger_private.check_book_visible(find_account.book_id);
        perform ledger_private.raise_error(
            'account_not_found', jsonb_build_object('account_id', find_account.account_id)
        );
    end if;
    return v_account;
end;
$$;

comment on function ledger_private.find_account is
'Return an account, or raise book_not_found or account_not_found.';

revoke execute on function ledger_private.find_account
from public, anon, authenticated, service_role;
grant execute on function ledger_private.find_account to authenticated, service_role;
