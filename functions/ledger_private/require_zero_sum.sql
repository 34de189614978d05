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
    left join lateral (
        select a.currency, t.xid
        from ledger_private.accounts as a
        inner join ledger_private.transactions as t on t.book_id = a.book_id
        where a.book_id = n.book_id and a.id = n.account_id and t.id = n.transaction_id
        -- Keeps the lookup as it is written: two index probes a line, never a join of tables.
        offset 0
    ) as p on true
    group by n.book_id, n.transaction_id, p.currency
    having sum(n.amount) <> 0 or bool_or(p.xid is distinct from pg_current_xact_id())
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
