-- ledger_private.register_page: a page of an account's register. Runs as the caller. One range of
-- the index, read from its end: a page costs the same wherever it stands.

create or replace function ledger_private.register_page(
    account ledger.accounts,
    page_size integer,
    before text
)
returns setof ledger.register_line
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
-- One plan for books of all sizes: the planner takes an unknown page size for a tenth of the rows,
-- and would plan each page of a large book anew.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_before ledger_private.entries := ledger_private.read_cursor(
        register_page.account.book_id, register_page.account.id, register_page.before
    );
    -- Not in the query: under row level security an index takes no condition that has coalesce.
    v_booked_at timestamptz := coalesce(v_before.booked_at, 'infinity');
    v_version bigint := coalesce(v_before.version, 0);
begin
    if register_page.account.slots > 1 then
        return query
        select l.*
        from ledger_private.merged_page(
            register_page.account.book_id, register_page.account.id, register_page.page_size, v_before
        ) as l;
        return;
    end if;

    return query
    select
        r.transaction_id, r.leg, r.kind, r.booked_at, r.effective_on, r.description, r.amount,
        r.balance_after, r.version, r.cursor
    from ledger_private.register as r
    where
        r.book_id = register_page.account.book_id
        and r.account_id = register_page.account.id
        and r.slot = 0
        and (r.booked_at, r.version) < (v_booked_at, v_version)
    order by r.booked_at desc, r.version desc
    limit register_page.page_size;
end;
$$;

comment on function ledger_private.register_page is
'Return entries of an account, newest first, below a cursor.';

revoke execute on function ledger_private.register_page
from public, anon, authenticated, service_role;
grant execute on function ledger_private.register_page to authenticated, service_role;
