-- ledger_private.reverse_transaction: the engine behind ledger.reverse_transaction.
--
-- The original's row is the lock between its reversals: under it what they have taken back so far
-- is read. It is also written, unchanged: a reversal at repeatable read or above, whose snapshot
-- may be older than another one, aborts (40001) instead of missing it. Its balances would not do
-- for that: accounts with several slots may meet in different rows.
--
-- Entries of one account become one leg: each alone might cross a floor that their sum keeps.

create or replace function ledger_private.reverse_transaction(
    book_id uuid,
    transaction_id uuid,
    amount bigint,
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb,
    expect ledger.expectation[],
    dry_run boolean
)
returns ledger.receipt
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_max constant bigint := 9007199254740991;
    v_door ledger_private.door;
    v_hash bytea;
    v_receipt ledger.receipt;
    v_accounts uuid[];
    v_amounts numeric[];
    v_left numeric;
    v_legs ledger_private.leg[];
begin
    if reverse_transaction.amount not between 1 and v_max then
        perform ledger_private.raise_error(
            'invalid_amount', jsonb_build_object('amount', reverse_transaction.amount)
        );
    end if;
    v_hash := ledger_private.check_posting(
        'reverse_transaction',
        concat_ws(
            ' ', reverse_transaction.transaction_id, reverse_transaction.amount,
            nullif(reverse_transaction.expect, '{}')
        ),
        reverse_transaction.idempotency_key, reverse_transaction.effective_on,
        reverse_transaction.description, reverse_transaction.external_id,
        reverse_transaction.metadata
    );
    v_door := ledger_private.enter_book(
        reverse_transaction.book_id, 'editor', replay_key => reverse_transaction.idempotency_key
    );
    perform
    from ledger_private.transactions as t
    where
        t.book_id = reverse_transaction.book_id and t.id = reverse_transaction.transaction_id;
    if not found then
        perform ledger_private.raise_error('transaction_not_found', jsonb_build_object(
            'transaction_id', reverse_transaction.transaction_id
        ));
    end if;

    v_receipt := ledger_private.claim_transaction(
        reverse_transaction.book_id, v_door, 'reversal', reverse_transaction.idempotency_key,
        v_hash, reverse_transaction.effective_on, reverse_transaction.description,
        reverse_transaction.external_id, reverse_transaction.metadata,
        reverse_transaction.transaction_id, reverse_transaction.dry_run
    );
    if v_receipt.replayed then
        return v_receipt;
    end if;
    begin
        perform
        from ledger_private.transactions as t
        where
            t.book_id = reverse_transaction.book_id and t.id = reverse_transaction.transaction_id
        for no key update;
        if not v_receipt.dry_run then
            update ledger_private.transactions as t
            set description = t.description
            where
                t.book_id = reverse_transaction.book_id
                and t.id = reverse_transaction.transaction_id;
        end if;
    exception when lock_not_available then
        perform ledger_private.raise_error('busy', jsonb_build_object(
            'transaction_id', reverse_transaction.transaction_id
        ));
    end;

    select
        array_agg(o.account_id order by o.leg),
        array_agg(o.amount order by o.leg),
        sum(greatest(o.amount, 0))
    into v_accounts, v_amounts, v_left
    from (
        select e.account_id, sum(e.amount) as amount, min(e.leg) as leg
        from ledger_private.entries as e
        where
            e.book_id = reverse_transaction.book_id
            and e.transaction_id = reverse_transaction.transaction_id
        group by e.account_id
        having sum(e.amount) <> 0
    ) as o;
    select v_left - coalesce(sum(e.amount), 0) into v_left
    from ledger_private.transactions as t
    inner join ledger_private.entries as e
        on e.book_id = t.book_id and e.transaction_id = t.id and e.amount > 0
    where
        t.book_id = reverse_transaction.book_id
        and t.reverses_id = reverse_transaction.transaction_id;

    perform ledger_private.check_argument(
        'amount',
        reverse_transaction.amount is null or cardinality(v_accounts) > 2 is not true,
        'null: only what has two entries can be reversed in part'
    );
    if coalesce(v_left, 0) = 0 or v_left < reverse_transaction.amount then
        perform ledger_private.raise_error('already_reversed', jsonb_build_object(
            'transaction_id', reverse_transaction.transaction_id, 'remaining', coalesce(v_left, 0)
        ));
    end if;
    v_legs := array(
        select row(
            null, null, l.account_id, null,
            case
                when cardinality(v_accounts) > 2 then -l.amount
                else -sign(l.amount) * coalesce(reverse_transaction.amount, v_left)
            end,
            null, null, null
        )::ledger_private.leg
        from unnest(v_accounts, v_amounts) with ordinality as l (account_id, amount, n)
        order by l.n
    );
    return ledger_private.post_legs(
        reverse_transaction.book_id, v_door, v_receipt, v_legs, reverse_transaction.expect
    );
end;
$$;

comment on function ledger_private.reverse_transaction is
$$Post a transaction with its signs turned: the engine of ledger.reverse_transaction. amount in
minor units, null for all that is left.$$;

revoke execute on function ledger_private.reverse_transaction
from public, anon, authenticated, service_role;
grant execute on function ledger_private.reverse_transaction to authenticated, service_role;
