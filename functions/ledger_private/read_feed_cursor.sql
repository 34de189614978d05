-- ledger_private.read_feed_cursor: the transaction that a cursor of the feed stands for. Runs as
-- the caller. Callers see opaque text, so that its content can change; the letter names the format.
--
-- The transaction has to be there, under that number: after a restore the reader's place may be
-- gone, or stand before what she has not read. She then has to begin anew, and is told so.

create or replace function ledger_private.read_feed_cursor(book_id uuid, cursor text)
returns ledger_private.transactions
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_key text[] := regexp_match(
        read_feed_cursor.cursor,
        '^x([1-9][0-9]{0,18})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$'
    );
    v_transaction ledger_private.transactions;
begin
    select t.* into v_transaction
    from ledger_private.transactions as t
    where
        t.book_id = read_feed_cursor.book_id
        and t.id = v_key[2]::uuid
        and t.xid = v_key[1]::xid8
        and t.xid < pg_snapshot_xmax(pg_current_snapshot());

    if not found and read_feed_cursor.cursor is not null then
        perform ledger_private.raise_error(
            'invalid_cursor', jsonb_build_object('cursor', left(read_feed_cursor.cursor, 64))
        );
    end if;
    return v_transaction;
end;
$$;

comment on function ledger_private.read_feed_cursor is
'Return the transaction of a cursor, or raise invalid_cursor. Null for null.';

revoke execute on function ledger_private.read_feed_cursor
from public, anon, authenticated, service_role;
grant execute on function ledger_private.read_feed_cursor to authenticated, service_role;
