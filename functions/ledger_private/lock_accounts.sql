-- ledger_private.lock_accounts: level 3 of the global order. Locks the balance rows of accounts,
-- sorted, in one statement: of an account with several slots, this session's. Called by the engine
-- only; what is locked is read afterwards, in a later statement.

create or replace function ledger_private.lock_accounts(book_id uuid, account_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    perform
    from ledger_private.balances as b
    where
        b.book_id = lock_accounts.book_id
        and b.account_id = any(lock_accounts.account_ids)
        and b.slot = mod(pg_backend_pid(), b.slots)
    order by b.account_id, b.slot
    for no key update;
exception when lock_not_available then
    perform ledger_private.raise_error(
        'busy', jsonb_build_object('book_id', lock_accounts.book_id)
    );
end;
$$;

comment on function ledger_private.lock_accounts is
'Lock the balance rows of accounts in the global order, or raise busy.';

revoke execute on function ledger_private.lock_accounts
from public, anon, authenticated, service_role;
