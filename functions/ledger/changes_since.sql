-- ledger.changes_since: the transactions of a book as a feed that misses nothing.
--
-- Raises  book_not_found, invalid_argument, invalid_cursor
-- Tests   tests/integration/ledger/test_changes_since.py

create or replace function ledger.changes_since(
    book_id uuid,
    after text default null,
    page_size integer default 100
)
returns setof ledger.change
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_visible(changes_since.book_id);
    perform ledger_private.check_argument(
        'page_size', changes_since.page_size between 1 and 1000, '1 to 1000'
    );
    return query select
        concat('x', t.xid, '-', t.id), t.id, t.kind, t.posted_at, t.effective_on,
        array(
            select l.line from ledger_private.receipt_lines as l
            where l.book_id = t.book_id and l.transaction_id = t.id order by l.leg
        )
    from ledger_private.feed_page(
        changes_since.book_id, changes_since.after, changes_since.page_size
    ) as t;
end;
$$;

comment on function ledger.changes_since is
$$Return the transactions of a book in the order of its feed, each once.

after: the cursor of the last change seen; without it from the first. page_size: 1 to 1000 changes.
An empty page: nothing new yet, ask again with the same cursor. The order is that of the database's
transactions, not of posted_at; what is being written, anywhere in the cluster, holds back what
began after it. invalid_cursor: the database was restored, or you no longer see that transaction;
begin anew. Viewers and up; holders get the transactions and entries of accounts that they hold.$$;

revoke execute on function ledger.changes_since from public, anon, authenticated, service_role;
grant execute on function ledger.changes_since to authenticated, service_role;
