-- ledger_private.feed_page: transactions of a book after a cursor, in the order of the feed. Runs
-- as the caller.
--
-- Below the snapshot's xmin every transaction has ended: nothing can appear there later, and so
-- nothing is skipped by who goes on behind the last one that she has seen.
--
-- A holder's page begins at the entries of her accounts: read from the book's side it would look at
-- what all others do. It costs what her accounts have.

create or replace function ledger_private.feed_page(book_id uuid, after text, page_size integer)
returns setof ledger_private.transactions
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_after ledger_private.transactions := ledger_private.read_feed_cursor(
        feed_page.book_id, feed_page.after
    );
    v_xid xid8 := coalesce(v_after.xid, '0');
    v_id uuid := coalesce(v_after.id, '00000000-0000-0000-0000-000000000000');
begin
    if ledger_private.is_holder(feed_page.book_id) then
        return query
        select t.*
        from (
            select distinct e.transaction_id
            from ledger_private.my_accounts() as h
            inner join ledger_private.entries as e
                on e.book_id = h.book_id and e.account_id = h.account_id
            where h.book_id = feed_page.book_id
        ) as m
        inner join ledger_private.transactions as t
            on t.book_id = feed_page.book_id and t.id = m.transaction_id
        where
            (t.xid, t.id) > (v_xid, v_id)
            and t.xid < pg_snapshot_xmin(pg_current_snapshot())
        order by t.xid, t.id
        limit feed_page.page_size;
    else
        return query
        select t.*
        from ledger_private.transactions as t
        where
            t.book_id = feed_page.book_id
            and (t.xid, t.id) > (v_xid, v_id)
            and t.xid < pg_snapshot_xmin(pg_current_snapshot())
        order by t.xid, t.id
        limit feed_page.page_size;
    end if;
end;
$$;

comment on function ledger_private.feed_page is
'Return the next transactions of the feed after a cursor; null: from the first.';

revoke execute on function ledger_private.feed_page from public, anon, authenticated, service_role;
grant execute on function ledger_private.feed_page to authenticated, service_role;
