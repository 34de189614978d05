-- ledger_private.check_entries: the half of verify_book that reads every entry. Runs as the caller.
--
-- The hash is recomputed by the format in sql/ledger_private/entries.sql, written out here as in
-- the engine: a function for it would have to fix its search_path, could not be inlined then, and
-- would cost more than the hash.
--
-- One pass in chain order: each entry is compared with the one before it in its account and slot.
-- Order and numbers come first, then what they carry, so that a deletion, a change and a swap each
-- show by name.

create or replace function ledger_private.check_entries(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
-- Every row is read: nested loops would be quadratic where the statistics are old.
set enable_nestloop = off
as $$
    with chained as materialized (
        select
            e.account_id, e.transaction_id, e.version, e.amount,
            t.id is not null and a.id is not null as has_parents,
            a.currency,
            e.version - coalesce(lag(e.version) over chain, 0) = 1 as follows,
            e.balance_after - coalesce(lag(e.balance_after) over chain, 0) = e.amount as adds_up,
            e.booked_at >= coalesce(lag(e.booked_at) over chain, '-infinity') as rises,
            e.hash = sha256(
                '\x01'::bytea
                || coalesce(lag(e.hash) over chain, decode(repeat('00', 32), 'hex'))
                || substr(array_send(array[
                    uuid_send(e.book_id), uuid_send(e.account_id), int2send(e.slot),
                    int8send(e.version), uuid_send(e.transaction_id), int2send(e.leg),
                    int8send(e.amount), int8send(e.balance_after),
                    timestamptz_send(e.booked_at), date_send(t.effective_on),
                    convert_to(a.currency, 'UTF8')
                ]), 21)
            ) as hashes
        from ledger_private.entries as e
        left join ledger_private.transactions as t
            on t.book_id = e.book_id and t.id = e.transaction_id
        left join ledger_private.accounts as a on a.book_id = e.book_id and a.id = e.account_id
        where e.book_id = check_entries.book_id
        window chain as (partition by e.account_id, e.slot order by e.version)
    ),

    by_transaction as materialized (
        select c.transaction_id, c.currency, sum(c.amount) as total, count(*) as legs
        from chained as c
        group by c.transaction_id, c.currency
    ),

    offenders (check_name, offender) as (
        select
            'book_sums_to_zero',
            jsonb_build_object('currency', t.currency, 'total', sum(t.total))
        from by_transaction as t
        group by t.currency
        having sum(t.total) <> 0
        union all
        select
            'transactions_sum_to_zero',
            jsonb_build_object('transaction_id', t.transaction_id, 'total', t.total)
        from by_transaction as t
        where t.total <> 0
        union all
        select 'transactions_have_entries', jsonb_build_object('transaction_id', t.id)
        from ledger_private.transactions as t
        where
            t.book_id = check_entries.book_id
            and not exists (
                select from by_transaction as b where b.transaction_id = t.id and b.legs > 1
            )
        union all
        select k.check_name, jsonb_build_object('account_id', c.account_id, 'version', c.version)
        from chained as c
        cross join lateral (
            values
            ('entries_have_parents', c.has_parents),
            ('versions_have_no_gaps', c.follows),
            ('running_balances_add_up', c.adds_up),
            ('booking_times_rise', c.rises),
            ('hash_chains_hold', c.hashes)
        ) as k (check_name, ok)
        where k.ok is not true
    )

    select
        n.check_name,
        r.offenders is null,
        jsonb_build_object('offenders', coalesce(r.offenders, 0), 'first', r.first)
    from (
        values
        (1, 'book_sums_to_zero'), (2, 'transactions_sum_to_zero'), (3, 'transactions_have_entries'),
        (4, 'entries_have_parents'), (5, 'versions_have_no_gaps'), (6, 'running_balances_add_up'),
        (7, 'booking_times_rise'), (8, 'hash_chains_hold')
    ) as n (position, check_name)
    left join (
        select
            o.check_name,
            count(*) as offenders,
            jsonb_agg(o.offender order by o.offender) -> 0 as first
        from offenders as o
        group by o.check_name
    ) as r on r.check_name = n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_entries is
'Check the entries of a book against each other and their parents.';

revoke execute on function ledger_private.check_entries
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_entries to authenticated, service_role;
