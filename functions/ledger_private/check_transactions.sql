-- ledger_private.check_transactions: the part of verify_book that reads every entry along its
-- transaction, where check_entries does along its account. Called by verify_book only.
--
-- An entry's hash covers its value date; that this is the one of its transaction shows here. What
-- a transaction's own row has to agree about is asked in the same pass: there are as many.

create or replace function ledger_private.check_transactions(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
-- As in check_entries.
set enable_nestloop = off
set work_mem = '32MB'
set jit = off
as $$
    with wrong as materialized (
        select
            coalesce(t.id, s.transaction_id) as id,
            s.currency,
            s.total,
            t.id is not null as is_known,
            s.legs > 1 as is_whole,
            s.legs is null
            or t.id is null
            or (s.earliest = t.effective_on and s.latest = t.effective_on and s.redundant = 0)
            as dates_match,
            coalesce(t.is_named, true) as is_named,
            coalesce(t.is_hashed, true) as is_hashed
        from (
            select
                x.id,
                x.effective_on,
                (x.kind = 'reversal') = (x.reverses_id is not null) as is_named,
                (x.idempotency_key is null) = (x.request_hash is null) as is_hashed
            from ledger_private.transactions as x
            where x.book_id = check_transactions.book_id
        ) as t
        full join (
            select
                e.transaction_id,
                e.currency,
                sum(e.amount) as total,
                count(*) as legs,
                min(coalesce(e.dated, e.booked_on)) as earliest,
                max(coalesce(e.dated, e.booked_on)) as latest,
                count(*) filter (where e.dated = e.booked_on) as redundant
            from (
                select
                    x.transaction_id,
                    x.currency,
                    x.amount,
                    x.dated,
                    (x.booked_at at time zone 'UTC')::date as booked_on
                from ledger_private.entries as x
                where x.book_id = check_transactions.book_id
                -- Keeps the day one expression, not one for each of its uses.
                offset 0
            ) as e
            group by e.transaction_id, e.currency
        ) as s on s.transaction_id = t.id
        -- Of the others nothing is left to say, not even for the book's sums: theirs are zero.
        where (
            s.total = 0
            and s.legs > 1
            and s.earliest = t.effective_on
            and s.latest = t.effective_on
            and s.redundant = 0
            and t.is_named
            and t.is_hashed
        ) is not true
    ),

    faults (check_name, first) as (
        select
            'book_sums_to_zero',
            jsonb_build_object('currency', w.currency, 'total', sum(w.total))
        from wrong as w
        group by w.currency
        having sum(w.total) <> 0
        union all
        -- One offender, also where it has several currencies.
        select distinct k.check_name, k.first
        from wrong as w
        cross join lateral (select jsonb_build_object('transaction_id', w.id) as named) as o
        cross join lateral (
            values
            (
                'transactions_sum_to_zero',
                w.total = 0 or w.total is null,
                jsonb_build_object('transaction_id', w.id, 'total', w.total)
            ),
            ('transactions_have_entries', coalesce(w.is_whole, false), o.named),
            ('entries_have_transactions', w.is_known, o.named),
            ('value_dates_match', w.dates_match, o.named),
            ('reversals_name_their_original', w.is_named, o.named),
            ('keys_have_hashes', w.is_hashed, o.named)
        ) as k (check_name, ok, first)
        where not k.ok
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', count(f.check_name), 'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values
        (1, 'book_sums_to_zero'), (2, 'transactions_sum_to_zero'), (3, 'transactions_have_entries'),
        (4, 'entries_have_transactions'), (5, 'value_dates_match'),
        (6, 'reversals_name_their_original'), (7, 'keys_have_hashes')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_transactions is
$$Check that the entries of each transaction of a book sum to zero and carry its value date, and
that its own row agrees with itself.$$;

revoke execute on function ledger_private.check_transactions
from public, anon, authenticated, service_role;
