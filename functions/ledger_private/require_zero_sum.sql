-- ledger_private.require_zero_sum: no statement writes half a transaction.
--
-- Every transaction that an INSERT touches arrives whole: its lines sum to zero in each currency,
-- and it was made by this very database transaction, so nothing is added to an older one. Runs once
-- a statement, on its new rows alone.
--
-- Tests   tests/integration/ledger_private/test_require_zero_sum.py

create or replace function ledger_private.require_zero_sum()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_transaction_id uuid;
begin
    select n.transaction_id into v_transaction_id
    from new_entries as n
    group by n.book_id, n.transaction_id, n.currency
    having
        sum(n.amount) <> 0
        or not exists (
            select from ledger_private.transactions as t
            where
                t.book_id = n.book_id
                and t.id = n.transaction_id
                and t.xid = pg_current_xact_id()
        )
    limit 1;

    if found then
        perform ledger_private.raise_error(
            'unbalanced', jsonb_build_object('transaction_id', v_transaction_id)
        );
    end if;
    return null;
end;
$$;

comment on function ledger_private.require_zero_sum is
'Refuse entries that do not make whole, balanced transactions.';

revoke execute on function ledger_private.require_zero_sum
from public, anon, authenticated, service_role;
