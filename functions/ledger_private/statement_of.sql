-- ledger_private.statement_of: the statement of an account. Runs as the caller, in one statement
-- and so in one snapshot.
--
-- A back-dated booking has a late version and an early date: balances run in value-date order here,
-- not as booked.

create or replace function ledger_private.statement_of(
    book_id uuid,
    account_id uuid,
    from_date date,
    to_date date
)
returns ledger.statement
language sql
stable
security invoker
set search_path = ''
as $$
    with lines as materialized (
        select r.*
        from ledger_private.register as r
        where
            r.book_id = statement_of.book_id
            and r.account_id = statement_of.account_id
            and r.effective_on <= statement_of.to_date
    ),

    running as (
        select
            l.*,
            sum(l.amount) over (order by l.effective_on, l.version)::bigint as balance
        from lines as l
    )

    select
        a.id,
        a.currency,
        coalesce((
            select sum(l.amount) from lines as l where l.effective_on < statement_of.from_date
        ), 0)::bigint,
        coalesce((select sum(l.amount) from lines as l), 0)::bigint,
        array(
            select row(
                r.transaction_id, r.leg, r.kind, r.booked_at, r.effective_on, r.description,
                r.amount, r.balance, r.version, r.cursor
            )::ledger.register_line
            from running as r
            where r.effective_on >= statement_of.from_date
            order by r.effective_on, r.version
        )
    from ledger.accounts as a
    where a.book_id = statement_of.book_id and a.id = statement_of.account_id;
$$;

comment on function ledger_private.statement_of is
'Return opening, lines and closing between two value dates.';

revoke execute on function ledger_private.statement_of
from public, anon, authenticated, service_role;
grant execute on function ledger_private.statement_of to authenticated, service_role;
