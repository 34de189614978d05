-- ledger_private.lock_expected: the accounts of a posting together with those that something is
-- expected of, locked in one sorted statement. A holder locks none that she does not hold. Called
-- by the engine only.

create or replace function ledger_private.lock_expected(
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
    perform ledger_private.check_argument(
        'expect', cardinality(lock_expected.expect) <= 1000, 'at most 1000 expectations'
    );
    perform ledger_private.lock_accounts(
        lock_expected.book_id,
        lock_expected.account_ids || array(
            select x.account_id
            from unnest(lock_expected.expect) as x
            where
                (lock_expected.door).role <> 'holder'
                or exists (
                    select from ledger_private.account_holders as h
                    where
                        h.book_id = lock_expected.book_id
                        and h.account_id = x.account_id
                        and h.user_id = (lock_expected.door).user_id
                )
        )
    );
    perform ledger_private.check_expectations(
        lock_expected.book_id, lock_expected.door, lock_expected.expect
    );
end;
$$;

comment on function ledger_private.lock_expected is
'Lock the accounts of a posting and of its expectations, then compare the expectations.';

revoke execute on function ledger_private.lock_expected
from public, anon, authenticated, service_role;
