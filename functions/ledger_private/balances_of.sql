-- ledger_private.balances_of: the balances of a book, or of some of its accounts, now or in the
-- past. Runs as the caller.
--
-- Ids that are given are looked up one by one, and so are those of a holder; without them the
-- book's own range of each index is read. Two queries, because one for both would be planned as the
-- second.

create or replace function ledger_private.balances_of(
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
-- A session keeps the plans that it made while the tables were small.
set enable_seqscan = off
as $$
declare
    v_ids uuid[] := balances_of.account_ids;
begin
    perform ledger_private.check_moment(balances_of.as_of, balances_of.effective_on);
    if v_ids is null and ledger_private.is_holder(balances_of.book_id) then
        v_ids := array(
            select h.account_id
            from ledger_private.my_accounts() as h
            where h.book_id = balances_of.book_id
        );
    end if;

    if num_nonnulls(balances_of.as_of, balances_of.effective_on) > 0 then
        return query
        select p.*
        from ledger_private.balances_at(
            balances_of.book_id,
            coalesce(v_ids, array(
                select a.id
                from ledger_private.accounts as a
                where a.book_id = balances_of.book_id
            )),
            balances_of.as_of,
            balances_of.effective_on
        ) as p;
    elsif v_ids is null then
        return query
        select a.id, a.currency, a.posted, a.held, a.available, a.version
        from ledger.accounts as a
        where a.book_id = balances_of.book_id
        order by a.id;
    else
        return query
        select a.id, a.currency, a.posted, a.held, a.available, a.version
        from ledger.accounts as a
        where a.book_id = balances_of.book_id and a.id = any(v_ids)
        order by a.id;
    end if;
end;
$$;

comment on function ledger_private.balances_of is
'Return balances by account id. account_ids: null for the whole book.';

revoke execute on function ledger_private.balances_of
from public, anon, authenticated, service_role;
grant execute on function ledger_private.balances_of to authenticated, service_role;
