-- ledger_private.update_account: the engine behind ledger.update_account.
--
-- A new code takes the book's lock exclusively: two accounts that swap codes at once would wait for
-- each other. So does payable: a holder's posting that has read it must end first.

create or replace function ledger_private.update_account(
    book_id uuid,
    account_id uuid,
    name text,
    code text,
    payable boolean,
    external_id text,
    metadata jsonb
)
returns ledger.accounts
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_account(
        update_account.name, update_account.code, update_account.external_id,
        update_account.metadata
    );
    perform ledger_private.enter_book(
        update_account.book_id, 'editor',
        exclusive => num_nonnulls(update_account.code, update_account.payable) > 0
    );
    perform ledger_private.lock_account(update_account.book_id, update_account.account_id);

    begin
        update ledger_private.accounts as a
        set
            name = coalesce(update_account.name, a.name),
            code = coalesce(update_account.code, a.code),
            payable = coalesce(update_account.payable, a.payable),
            external_id = coalesce(update_account.external_id, a.external_id),
            metadata = coalesce(update_account.metadata, a.metadata)
        where a.book_id = update_account.book_id and a.id = update_account.account_id;
    exception
        when unique_violation then
            perform ledger_private.raise_error(
                'duplicate_code', jsonb_build_object('code', update_account.code)
            );
        when lock_not_available then
            perform ledger_private.raise_error(
                'busy', jsonb_build_object('account_id', update_account.account_id)
            );
    end;
    return ledger_private.find_account(update_account.book_id, update_account.account_id);
end;
$$;

comment on function ledger_private.update_account is
'Change the words of an account: the engine of ledger.update_account. Null leaves as is.';

revoke execute on function ledger_private.update_account
from public, anon, authenticated, service_role;
grant execute on function ledger_private.update_account to authenticated, service_role;
