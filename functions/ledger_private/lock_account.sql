-- ledger_private.lock_account: stop every posting on an account, for a change of its state or
-- limits. Called by definer functions only, after enter_book.
--
-- Postings do not lock the account's row, they read it after locking a balance row: so this locks
-- all of those. And writes them, unchanged, so that a posting at repeatable read or above, whose
-- snapshot may be older than the change, aborts (40001) instead of missing it.

create or replace function ledger_private.lock_account(book_id uuid, account_id uuid)
returns ledger.accounts
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    begin
        perform
        from ledger_private.balances as b
        where b.book_id = lock_account.book_id and b.account_id = lock_account.account_id
        order by b.account_id, b.slot
        for no key update;

        update ledger_private.balances as b
        set version = b.version
        where b.book_id = lock_account.book_id and b.account_id = lock_account.account_id;
    exception when lock_not_available then
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('account_id', lock_account.account_id)
        );
    end;

    -- A later statement, though find_account is stable: PL/pgSQL takes a new snapshot for it.
    return ledger_private.find_account(lock_account.book_id, lock_account.account_id);
end;
$$;

comment on function ledger_private.lock_account is
'Lock every balance row of an account, then read the account.';

revoke execute on function ledger_private.lock_account
from public, anon, authenticated, service_role;
