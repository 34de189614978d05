-- ledger_private.check_entries: the part of verify_book that recomputes every hash chain and
-- compares its end with the balance. Called by verify_book only.
--
-- The hash is recomputed by the format in sql/ledger_private/entries.sql, written out here as in
-- the engine: a function for it would have to fix its search_path, could not be inlined then, and
-- would cost more than the hash.
--
-- Each line meets the one before it by a join on its number, not by a window function: those are
-- not run in parallel, and hashing is most of the work. So each line is also read by no order, and
-- that the numbers of a chain are 1, 2, 3 … is shown by two facts: each has the one before it, and
-- there are as many as the highest says. Where the line before is missing, that alone is told of
-- the line: its sum and time have nothing to be compared with.
--
-- A cut tail shows at the balance: it still knows number and hash of what is gone.

create or replace function ledger_private.check_entries(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
-- Every line is read: nested loops would be quadratic where the statistics are old, and a merge
-- sorts all lines twice.
set enable_nestloop = off
set enable_mergejoin = off
set work_mem = '32MB'
set jit = off
as $$
    with chains as materialized (
        select
            l.account_id,
            l.slot,
            count(*) as lines,
            max(l.version) as top,
            sum(l.amount) as total,
            count(*) filter (where not l.has_account) as orphans,
            min(l.version) filter (where not l.has_account) as orphan,
            count(*) filter (where not l.follows) as gaps,
            min(l.version) filter (where not l.follows) as gap,
            count(*) filter (where not l.adds_up) as wrong_sums,
            min(l.version) filter (where not l.adds_up) as wrong_sum,
            count(*) filter (where not l.rises) as falls,
            min(l.version) filter (where not l.rises) as fall,
            count(*) filter (where not l.hashes) as broken,
            min(l.version) filter (where not l.hashes) as breach
        from (
            select
                e.account_id,
                e.slot,
                e.version,
                e.amount,
                a.id is not null as has_account,
                e.version = 1 or p.version is not null as follows,
                e.balance_after - coalesce(p.balance_after, 0) = e.amount
                or (p.version is null and e.version <> 1) as adds_up,
                e.booked_at >= coalesce(p.booked_at, e.booked_at) as rises,
                a.currency is not distinct from e.currency
                and e.hash = sha256(
                    '\x01'::bytea
                    || coalesce(p.hash, decode(repeat('00', 32), 'hex'))
                    || substr(array_send(array[
                        uuid_send(e.book_id), uuid_send(e.account_id), int2send(e.slot),
                        int8send(e.version), uuid_send(e.transaction_id), int2send(e.leg),
                        int8send(e.amount), int8send(e.balance_after),
                        timestamptz_send(e.booked_at),
                        date_send(coalesce(e.dated, (e.booked_at at time zone 'UTC')::date)),
                        convert_to(e.currency, 'UTF8')
                    ]), 21)
                ) as hashes
            from ledger_private.entries as e
            left join ledger_private.entries as p
                on
                    p.book_id = e.book_id
                    and p.account_id = e.account_id
                    and p.slot = e.slot
                    and p.version = e.version - 1
            left join ledger_private.accounts as a on a.book_id = e.book_id and a.id = e.account_id
            where e.book_id = check_entries.book_id
            -- Keeps each answer one expression, not one for each of its uses.
            offset 0
        ) as l
        group by l.account_id, l.slot
    ),

    ends as materialized (
        select
            coalesce(b.account_id, c.account_id) as account_id,
            coalesce(b.slot, c.slot) as slot,
            b.posted = coalesce(l.balance_after, 0)
            and b.posted = coalesce(c.total, 0)
            and b.version = coalesce(l.version, 0)
            and b.booked_at = coalesce(l.booked_at, '-infinity') as matches,
            b.hash = coalesce(l.hash, decode(repeat('00', 32), 'hex')) as same_head
        from (
            select x.account_id, x.slot, x.posted, x.version, x.booked_at, x.hash
            from ledger_private.balances as x
            where x.book_id = check_entries.book_id
        ) as b
        full join chains as c on c.account_id = b.account_id and c.slot = b.slot
        left join lateral (
            select e.balance_after, e.version, e.booked_at, e.hash
            from ledger_private.entries as e
            where
                e.book_id = check_entries.book_id
                and e.account_id = c.account_id
                and e.slot = c.slot
            order by e.booked_at desc, e.version desc
            limit 1
        ) as l on true
    ),

    faults (check_name, offenders, first) as (
        select
            k.check_name,
            k.offenders,
            jsonb_build_object('account_id', c.account_id, 'slot', c.slot, 'version', k.version)
        from chains as c
        cross join lateral (
            values
            ('entries_have_accounts', c.orphans, c.orphan),
            (
                'versions_have_no_gaps',
                greatest(c.gaps, (c.lines <> c.top)::integer),
                coalesce(c.gap, c.top)
            ),
            ('running_balances_add_up', c.wrong_sums, c.wrong_sum),
            ('booking_times_rise', c.falls, c.fall),
            ('hash_chains_hold', c.broken, c.breach)
        ) as k (check_name, offenders, version)
        where k.offenders > 0
        union all
        select k.check_name, 1, jsonb_build_object('account_id', e.account_id, 'slot', e.slot)
        from ends as e
        cross join lateral (
            values ('balances_match_entries', e.matches), ('heads_match_chains', e.same_head)
        ) as k (check_name, ok)
        where k.ok is not true
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', coalesce(sum(f.offenders), 0),
            'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values
        (1, 'entries_have_accounts'), (2, 'versions_have_no_gaps'), (3, 'running_balances_add_up'),
        (4, 'booking_times_rise'), (5, 'hash_chains_hold'), (6, 'balances_match_entries'),
        (7, 'heads_match_chains')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_entries is
'Check the hash chains of a book, and that each balance is the end of its chain.';

revoke execute on function ledger_private.check_entries
from public, anon, authenticated, service_role;
