-- ledger_private.statement_of: the statement of an account. Runs as the caller, in one statement
-- and so in one snapshot.
--
-- A back-dated booking has a late version and an early date: balances run in value-date order here,
-- not as booked. So they may pass the range that each posting kept to: the sums are numeric, are
-- folded into the range so that the casts hold, and are refused where folding changed one.

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
    v_statement ledger.statement;
    v_widest numeric;
begin
    with lines as materialized (
        select
            r.*,
            sum(r.amount) over (order by r.effective_on, r.version) as balance
        from ledger_private.register as r
        where
            r.book_id = statement_of.book_id
            and r.account_id = statement_of.account_id
            and r.effective_on <= statement_of.to_date
    ),

    sums as (
        select
            max(abs(l.balance)) as widest,
            coalesce(sum(l.amount) filter (where l.effective_on < statement_of.from_date), 0)
                as opening,
            coalesce(sum(l.amount), 0) as closing
        from lines as l
    )

    select
        s.widest,
        a.id,
        a.currency,
        s.opening % 9007199254740992,
        s.closing % 9007199254740992,
        array(
            select row(
                l.transaction_id, l.leg, l.kind, l.booked_at, l.effective_on, l.description,
                l.amount, l.balance % 9007199254740992, l.version, l.cursor
            )::ledger.register_line
            from lines as l
            where l.effective_on >= statement_of.from_date
            order by l.effective_on, l.version
        )
    into v_widest, v_statement.account_id, v_statement.currency,
        v_statement.opening, v_statement.closing, v_statement.lines
    from ledger.accounts as a
    cross join sums as s
    where a.book_id = statement_of.book_id and a.id = statement_of.account_id;

    if v_widest > 9007199254740991 then
        perform ledger_private.raise_error(
            'amount_out_of_range', jsonb_build_object('account_id', statement_of.account_id)
        );
    end if;
    return v_statement;
end;
$$;

comment on function ledger_private.statement_of is
'Return opening, lines and closing between two value dates.';

revoke execute on function ledger_private.statement_of
from public, anon, authenticated, service_role;
grant execute on function ledger_private.statement_of to authenticated, service_role;
