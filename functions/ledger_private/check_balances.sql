-- ledger_private.check_balances: the part of verify_book about what balances carry beside the end
-- of their chain: copies of the account's facts, slots, limits, holds, and the sums by value date.
-- Called by verify_book only. Reads few entries: only those with a value date of their own.

create or replace function ledger_private.check_balances(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with compared as materialized (
        select
            coalesce(a.id, b.account_id) as account_id,
            a.currency = b.currency
            and b.currencies = 1
            and b.states = 1
            and b.slots = b.counted
            and b.first_slot = 0
            and b.last_slot = b.slots - 1
            and b.sizes = 1 as same,
            coalesce(b.within, true) as within,
            coalesce(b.settled, true) as settled,
            coalesce(b.held, 0) = coalesce(h.held, 0) and coalesce(b.least_held, 0) >= 0 as reserved
        from (
            select x.id, x.currency
            from ledger_private.accounts as x
            where x.book_id = check_balances.book_id
        ) as a
        full join (
            select
                x.account_id,
                min(x.currency) as currency,
                count(distinct x.currency) as currencies,
                count(distinct x.status) as states,
                count(distinct x.slots) as sizes,
                max(x.slots) as slots,
                count(*) as counted,
                min(x.slot) as first_slot,
                max(x.slot) as last_slot,
                sum(x.held) as held,
                min(x.held) as least_held,
                bool_and(
                    coalesce(x.posted - x.held >= x.min_balance, true)
                    and coalesce(x.posted <= x.max_balance, true)
                    and (x.slots = 1 or coalesce(x.min_balance, x.max_balance) is null)
                    and abs(x.posted) * x.slots <= 9007199254740991
                ) as within,
                bool_and(x.status <> 'closed' or (x.posted = 0 and x.held = 0)) as settled
            from ledger_private.balances as x
            where x.book_id = check_balances.book_id
            group by x.account_id
        ) as b on b.account_id = a.id
        full join (
            select x.account_id, sum(x.amount - x.captured) as held
            from ledger_private.holds as x
            where x.book_id = check_balances.book_id and x.state = 'pending'
            group by x.account_id
        ) as h on h.account_id = a.id
    ),

    shifts as (
        select x.account_id, x.slot, x.grain, x.starts_on, x.amount
        from ledger_private.value_shifts as x
        where x.book_id = check_balances.book_id
        union all
        select e.account_id, e.slot, g.grain, date_trunc(g.grain, s.day::timestamp)::date, s.amount
        from ledger_private.entries as e
        cross join lateral (
            values
            (e.dated, -e.amount::numeric),
            ((e.booked_at at time zone 'UTC')::date, e.amount::numeric)
        ) as s (day, amount)
        cross join (values ('day'), ('month')) as g (grain)
        where e.book_id = check_balances.book_id and e.dated is not null
    ),

    faults (check_name, first) as (
        select k.check_name, jsonb_build_object('account_id', c.account_id)
        from compared as c
        cross join lateral (
            values
            ('balances_match_accounts', c.same),
            ('balances_are_within_limits', c.within),
            ('closed_accounts_are_empty', c.settled),
            ('held_matches_holds', c.reserved)
        ) as k (check_name, ok)
        where k.ok is not true
        union all
        select
            'value_shifts_match',
            jsonb_build_object('account_id', s.account_id, 'slot', s.slot, s.grain, s.starts_on)
        from shifts as s
        group by s.account_id, s.slot, s.grain, s.starts_on
        having sum(s.amount) <> 0
        union all
        select 'groups_keep_their_floors', jsonb_build_object('group_id', s.id)
        from (
            select coalesce(g.id, m.group_id) as id, g.min_total, m.account_id
            from (
                select x.id, x.min_total
                from ledger_private.account_groups as x
                where x.book_id = check_balances.book_id
            ) as g
            full join (
                select x.group_id, x.account_id
                from ledger_private.account_group_members as x
                where x.book_id = check_balances.book_id
            ) as m on m.group_id = g.id
        ) as s
        left join ledger_private.accounts as a
            on a.book_id = check_balances.book_id and a.id = s.account_id
        left join ledger_private.balances as b
            on b.book_id = a.book_id and b.account_id = a.id
        group by s.id, s.min_total
        having
            (sum(b.posted - b.held) >= s.min_total) is not true
            or bool_or(b.account_id is null)
            or count(distinct a.currency) > 1
            or max(b.slots) > 1
        union all
        select 'holds_have_accounts', jsonb_build_object('hold_id', h.id)
        from ledger_private.holds as h
        left join ledger_private.accounts as g
            on g.book_id = h.book_id and g.id = h.account_id
        left join ledger_private.accounts as t
            on t.book_id = h.book_id and t.id = h.to_account_id
        where
            h.book_id = check_balances.book_id
            and (g.currency = t.currency and g.id <> t.id) is not true
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', count(f.check_name), 'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values
        (1, 'value_shifts_match'), (2, 'balances_match_accounts'),
        (3, 'balances_are_within_limits'), (4, 'closed_accounts_are_empty'),
        (5, 'groups_keep_their_floors'), (6, 'held_matches_holds'), (7, 'holds_have_accounts')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_balances is
'Check the balances of a book against its accounts, limits, groups, holds and value dates.';

revoke execute on function ledger_private.check_balances
from public, anon, authenticated, service_role;
