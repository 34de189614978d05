-- ledger_private.lock_posting: levels 2 and 3 of the global order for a posting of the general
-- engine: the groups of its accounts, then their balance rows, together with those of its
-- expectations, which are compared then. Called by the engine only.

create or replace function ledger_private.lock_posting(
    book_id uuid,
    door ledger_private.door,
    account_ids uuid[],
    expect ledger.expectation[]
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if (lock_posting.door).has_groups then
        perform ledger_private.lock_groups(lock_posting.book_id, lock_posting.account_ids);
    end if;
    if cardinality(lock_posting.expect) > 0 then
        perform ledger_private.lock_expected(
            lock_posting.book_id, lock_posting.door, lock_posting.account_ids, lock_posting.expect
        );
    else
        perform ledger_private.lock_accounts(lock_posting.book_id, lock_posting.account_ids);
    end if;
end;
$$;

comment on function ledger_private.lock_posting is
'Lock the groups and balance rows of a posting in the global order; compare its expectations.';

revoke execute on function ledger_private.lock_posting
from public, anon, authenticated, service_role;
