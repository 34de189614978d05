-- ledger_private.statement_of: the statement of an account. Runs as the caller; stable, so all of
-- it reads one snapshot.
--
-- Lines are the entries that were booked on these days, but for those with another value date, and
-- those of other days that are dated here: two ranges of indexes. The rest of the account is never
-- read: the opening balance is that of the day before.
--
-- A back-dated booking has a late version and an early date: balances run in value-date order here,
-- not as booked. So they may pass the range that each posting kept to: they are folded into it, so
-- that the casts hold, and refused where folding changed one.

create or replace function ledger_private.statement_of(
    book_id uuid,
    account_id uuid,
    from_date date,
    to_date date
)
returns ledger.statement
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Infinite dates take everything: value dates are of the years 1 to 9999.
    v_before date := least(greatest(statement_of.from_date, '0001-01-01') - 1, '9999-12-31');
    v_to date := greatest(least(statement_of.to_date, '9999-12-31'), v_before);
    v_slots smallint[] := array(
        select b.slot
        from ledger_private.balances as b
        where b.book_id = statement_of.book_id and b.account_id = statement_of.account_id
    );
    v_statement ledger.statement;
    v_widest numeric;
begin
    select b.account_id, b.currency, b.posted
    into v_statement.account_id, v_statement.currency, v_statement.opening
    from ledger_private.balances_at(
        statement_of.book_id, array[statement_of.account_id], null, v_before
    ) as b;

    with found as (
        select r.*
        from ledger_private.register as r
        where
            r.book_id = statement_of.book_id
            and r.account_id = statement_of.account_id
            and r.slot = any(v_slots)
            and r.booked_at >= (v_before + 1)::timestamp at time zone 'UTC'
            and r.booked_at < (v_to + 1)::timestamp at time zone 'UTC'
            and r.dated is null
        union all
        select r.*
        from ledger_private.register as r
        where
            r.book_id = statement_of.book_id
            and r.account_id = statement_of.account_id
            and r.dated > v_before
            and r.dated <= v_to
    ),

    numbered as (
        select
            f.*,
            case when cardinality(v_slots) = 1 then f.version end as single_version,
            row_number() over (
                order by
                    f.effective_on,
                    f.booked_at,
                    case when cardinality(v_slots) = 1 then f.version end,
                    f.transaction_id,
                    f.leg
            ) as number
        from found as f
    ),

    lines as materialized (
        select n.*, v_statement.opening + sum(n.amount) over (order by n.number) as balance
        from numbered as n
    )

    select
        max(abs(l.balance)),
        (v_statement.opening + coalesce(sum(l.amount), 0)) % 9007199254740992,
        coalesce(array_agg(
            row(
                l.transaction_id, l.leg, l.kind, l.booked_at, l.effective_on, l.description,
                l.amount, l.balance % 9007199254740992, l.single_version, l.cursor
            )::ledger.register_line
            order by l.number
        ), '{}')
    into v_widest, v_statement.closing, v_statement.lines
    from lines as l;

    perform ledger_private.check_range(statement_of.account_id, v_widest);
    return v_statement;
end;
$$;

comment on function ledger_private.statement_of is
'Return opening, lines and closing between two value dates.';

revoke execute on function ledger_private.statement_of
from public, anon, authenticated, service_role;
grant execute on function ledger_private.statement_of to authenticated, service_role;
