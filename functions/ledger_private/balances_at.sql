-- ledger_private.balances_at: balances of some accounts at a moment, or at the end of a value date.
-- Runs as the caller, in one statement and so in one snapshot; ids that she does not see give no
-- row.
--
-- By booking order that is what the last entry up to the moment left: one probe a slot. By value
-- date it is the same at the end of the UTC day, plus what sql/ledger_private/value_shifts.sql
-- says: whole months before the day's, then the days of that month.

create or replace function ledger_private.balances_at(
    book_id uuid,
    account_ids uuid[],
    as_of timestamptz,
    effective_on date
)
returns setof ledger.balance
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_month date := date_trunc('month', balances_at.effective_on::timestamp)::date;
    v_until timestamptz := coalesce(
        balances_at.as_of,
        (balances_at.effective_on + 1)::timestamp at time zone 'UTC' - interval '1 microsecond'
    );
begin
    return query
    select
        s.account_id,
        s.currency,
        ledger_private.check_range(s.account_id, s.posted + coalesce(d.months + d.days, 0)),
        null::bigint,
        null::bigint,
        case when s.slots = 1 and balances_at.as_of is not null then s.version end::bigint
    from (
        select distinct u.account_id
        from unnest(balances_at.account_ids) as u (account_id)
    ) as i
    cross join lateral (
        select
            b.account_id,
            min(b.currency) as currency,
            min(b.slots) as slots,
            coalesce(sum(e.balance_after), 0) as posted,
            coalesce(sum(e.version), 0) as version
        from ledger_private.balances as b
        left join lateral (
            select x.balance_after, x.version
            from ledger_private.entries as x
            where
                x.book_id = b.book_id
                and x.account_id = b.account_id
                and x.slot = b.slot
                and x.booked_at <= v_until
            order by x.booked_at desc, x.version desc
            limit 1
        ) as e on true
        where b.book_id = balances_at.book_id and b.account_id = i.account_id
        group by b.account_id
    ) as s
    left join lateral (
        select
            (
                select coalesce(sum(v.amount), 0)
                from ledger_private.value_shifts as v
                where
                    v.book_id = balances_at.book_id
                    and v.account_id = s.account_id
                    and v.grain = 'month'
                    and v.starts_on < v_month
            ) as months,
            (
                select coalesce(sum(v.amount), 0)
                from ledger_private.value_shifts as v
                where
                    v.book_id = balances_at.book_id
                    and v.account_id = s.account_id
                    and v.grain = 'day'
                    and v.starts_on between v_month and balances_at.effective_on
            ) as days
    ) as d on balances_at.effective_on is not null
    order by s.account_id;
end;
$$;

comment on function ledger_private.balances_at is
$$Return past balances of accounts by id. Exactly one of as_of and effective_on is not null.$$;

revoke execute on function ledger_private.balances_at
from public, anon, authenticated, service_role;
grant execute on function ledger_private.balances_at to authenticated, service_role;
