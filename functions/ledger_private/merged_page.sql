-- ledger_private.merged_page: a page of an account's register with several slots, merged by
-- (booked_at, transaction_id, leg). Runs as the caller.
--
-- Each slot gives the entries of the cursor's very moment and a page of those before; so whatever
-- the page needs is among them, and what was booked up to that moment, less what is newer than a
-- line, is the line's running balance. Both cost the same wherever the page stands.

create or replace function ledger_private.merged_page(
    book_id uuid,
    account_id uuid,
    page_size integer,
    before ledger_private.entries
)
returns setof ledger.register_line
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_moment timestamptz := coalesce(merged_page.before.booked_at, 'infinity');
begin
    return query
    with slots as materialized (
        select b.slot, e.balance_after
        from ledger_private.balances as b
        left join lateral (
            select x.balance_after
            from ledger_private.entries as x
            where
                x.book_id = b.book_id
                and x.account_id = b.account_id
                and x.slot = b.slot
                and x.booked_at <= v_moment
            order by x.booked_at desc, x.version desc
            limit 1
        ) as e on true
        where b.book_id = merged_page.book_id and b.account_id = merged_page.account_id
    ),

    candidates as (
        select e.*
        from slots as s
        cross join lateral (
            (
                select x.slot, x.booked_at, x.version, x.transaction_id, x.leg, x.amount
                from ledger_private.entries as x
                where
                    x.book_id = merged_page.book_id
                    and x.account_id = merged_page.account_id
                    and x.slot = s.slot
                    and x.booked_at = v_moment
            )
            union all
            (
                select x.slot, x.booked_at, x.version, x.transaction_id, x.leg, x.amount
                from ledger_private.entries as x
                where
                    x.book_id = merged_page.book_id
                    and x.account_id = merged_page.account_id
                    and x.slot = s.slot
                    and x.booked_at < v_moment
                order by x.booked_at desc
                fetch first merged_page.page_size rows with ties
            )
        ) as e
    ),

    lines as (
        select
            c.*,
            (select sum(s.balance_after) from slots as s) + c.amount
            - sum(c.amount) over (order by c.booked_at desc, c.transaction_id desc, c.leg desc)
                as balance
        from candidates as c
    ),

    page as (
        select l.*
        from lines as l
        where
            merged_page.before is null
            or (l.booked_at, l.transaction_id, l.leg)
            < (
                merged_page.before.booked_at,
                merged_page.before.transaction_id,
                merged_page.before.leg
            )
        order by l.booked_at desc, l.transaction_id desc, l.leg desc
        limit merged_page.page_size
    )

    select
        r.transaction_id, r.leg, r.kind, r.booked_at, r.effective_on, r.description, r.amount,
        ledger_private.check_range(merged_page.account_id, p.balance), null::bigint, r.cursor
    from page as p
    inner join ledger_private.register as r
        on
            r.book_id = merged_page.book_id
            and r.account_id = merged_page.account_id
            and r.slot = p.slot
            and r.booked_at = p.booked_at
            and r.version = p.version
    order by p.booked_at desc, p.transaction_id desc, p.leg desc;
end;
$$;

comment on function ledger_private.merged_page is
'Return entries of an account with several slots, newest first, below an entry.';

revoke execute on function ledger_private.merged_page
from public, anon, authenticated, service_role;
grant execute on function ledger_private.merged_page to authenticated, service_role;
