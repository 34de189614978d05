-- ledger_private.check_balances: the half of verify_book that compares balances with the last
-- entries. Runs as the caller. A cut tail shows here: the balance still knows version and hash of
-- what is gone.

create or replace function ledger_private.check_balances(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
    with compared as materialized (
        select
            a.id as account_id,
            coalesce(b.posted, 0) = coalesce(l.balance_after, 0)
            and b.posted = s.total
            and b.version = coalesce(l.version, 0)
            and b.booked_at = coalesce(l.booked_at, '-infinity') as matches,
            b.hash = coalesce(l.hash, decode(repeat('00', 32), 'hex')) as same_head,
            coalesce(b.posted - b.held >= a.min_balance, true)
            and coalesce(b.posted <= a.max_balance, true) as within
        from ledger_private.accounts as a
        left join ledger_private.balances as b on b.book_id = a.book_id and b.account_id = a.id
        left join lateral (
            select e.balance_after, e.version, e.booked_at, e.hash
            from ledger_private.entries as e
            where e.book_id = b.book_id and e.account_id = b.account_id and e.slot = b.slot
            order by e.version desc
            limit 1
        ) as l on true
        left join (
            select e.account_id, e.slot, sum(e.amount) as total
            from ledger_private.entries as e
            where e.book_id = check_balances.book_id
            group by e.account_id, e.slot
        ) as t on t.account_id = b.account_id and t.slot = b.slot
        cross join lateral (select coalesce(t.total, 0) as total) as s
        where a.book_id = check_balances.book_id
    )

    select
        k.check_name,
        bool_and(k.ok is true),
        jsonb_build_object(
            'offenders', count(*) filter (where k.ok is not true),
            'first',
            (
                jsonb_agg(jsonb_build_object('account_id', c.account_id))
                filter (where k.ok is not true)
            ) -> 0
        )
    from (select) as one
    left join compared as c on true
    cross join lateral (
        values
        (1, 'balances_match_entries', c.account_id is null or c.matches),
        (2, 'heads_match_chains', c.account_id is null or c.same_head),
        (3, 'balances_are_within_limits', c.account_id is null or c.within)
    ) as k (position, check_name, ok)
    group by k.position, k.check_name
    order by k.position;
$$;

comment on function ledger_private.check_balances is
'Check the balances of a book against its entries and limits.';

revoke execute on function ledger_private.check_balances
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_balances to authenticated, service_role;
