-- ledger_private.check_follow_ups: the part of verify_book about what later postings take from
-- earlier ones: reversals from transactions, captures from holds. Called by verify_book only.
--
-- A reversal gives back to each account at most what the original took, and where the original has
-- more than two legs, all of it. Sums by account: an account may be named twice, and its slots may
-- differ; one whose entries cancel is no leg.
--
-- Metadata may be erased, so captures are compared by giver and receiver, which entries prove; and
-- by hold, where the metadata still name it.

create or replace function ledger_private.check_follow_ups(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with reversed as materialized (
        select t.reverses_id as original_id, t.id as reversal_id
        from ledger_private.transactions as t
        where t.book_id = check_follow_ups.book_id and t.reverses_id is not null
    ),

    taken_back as (
        select
            s.original_id,
            s.account_id,
            sum(s.original) as original,
            sum(s.reversal) as reversal
        from (
            select r.original_id, e.account_id, 0 as original, e.amount::numeric as reversal
            from reversed as r
            inner join ledger_private.entries as e
                on e.book_id = check_follow_ups.book_id and e.transaction_id = r.reversal_id
            union all
            select o.original_id, e.account_id, e.amount::numeric, 0
            from (select distinct r.original_id from reversed as r) as o
            inner join ledger_private.entries as e
                on e.book_id = check_follow_ups.book_id and e.transaction_id = o.original_id
        ) as s
        group by s.original_id, s.account_id
    ),

    captures as materialized (
        select
            t.id,
            t.metadata ->> 'hold_id' as hold_id,
            g.account_id,
            r.account_id as to_account_id,
            coalesce(r.amount, 0)::numeric as amount
        from ledger_private.transactions as t
        left join ledger_private.entries as g
            on g.book_id = t.book_id and g.transaction_id = t.id and g.amount < 0
        left join ledger_private.entries as r
            on r.book_id = t.book_id and r.transaction_id = t.id and r.amount > 0
        where t.book_id = check_follow_ups.book_id and t.kind = 'capture'
    ),

    faults (check_name, first) as (
        select 'reversals_stay_within', jsonb_build_object('transaction_id', b.original_id)
        from taken_back as b
        group by b.original_id
        having
            bool_or(
                (sign(b.reversal) = sign(b.original) and b.original <> 0)
                or abs(b.reversal) > abs(b.original)
            )
            or (
                count(*) filter (where b.original <> 0) > 2
                and bool_or(b.reversal <> -b.original)
            )
        union all
        select
            'captures_match_holds',
            jsonb_build_object('account_id', s.account_id, 'to_account_id', s.to_account_id)
        from (
            select h.account_id, h.to_account_id, h.captured::numeric as captured
            from ledger_private.holds as h
            where h.book_id = check_follow_ups.book_id and h.captured > 0
            union all
            select c.account_id, c.to_account_id, -c.amount
            from captures as c
        ) as s
        group by s.account_id, s.to_account_id
        having sum(s.captured) <> 0
        union all
        select 'captures_match_holds', jsonb_build_object('hold_id', c.hold_id)
        from captures as c
        left join ledger_private.holds as h
            on h.book_id = check_follow_ups.book_id and h.id::text = c.hold_id
        where c.hold_id is not null
        group by c.hold_id, h.account_id, h.to_account_id, h.captured
        having
            sum(c.amount) > coalesce(h.captured, 0)
            or bool_or(c.account_id <> h.account_id or c.to_account_id <> h.to_account_id)
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', count(f.check_name), 'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values (1, 'reversals_stay_within'), (2, 'captures_match_holds')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_follow_ups is
'Check the reversals of a book against their originals, and its captures against holds.';

revoke execute on function ledger_private.check_follow_ups
from public, anon, authenticated, service_role;
