-- ledger_private.read_cursor: the entry that a register line's cursor stands for. Runs as the
-- caller. Callers see opaque text, so that its content can change; the letter names the format.
--
-- The entry has to be there: a cursor of another account, or of before a restore, is told apart
-- from the end of the register.

create or replace function ledger_private.read_cursor(book_id uuid, account_id uuid, cursor text)
returns ledger_private.entries
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_key text[] := regexp_match(
        read_cursor.cursor, '^e([0-9]{1,2})-(-?[0-9]{1,17})-([1-9][0-9]{0,17})$'
    );
    v_entry ledger_private.entries;
begin
    select e.* into v_entry
    from ledger_private.entries as e
    where
        e.book_id = read_cursor.book_id
        and e.account_id = read_cursor.account_id
        and e.slot = v_key[1]::smallint
        and e.booked_at = timestamptz 'epoch' + v_key[2]::bigint * interval '1 microsecond'
        and e.version = v_key[3]::bigint;

    if not found and read_cursor.cursor is not null then
        perform ledger_private.raise_error(
            'invalid_cursor', jsonb_build_object('cursor', left(read_cursor.cursor, 64))
        );
    end if;
    return v_entry;
end;
$$;

comment on function ledger_private.read_cursor is
'Return the entry of a cursor, or raise invalid_cursor. Null for null.';

revoke execute on function ledger_private.read_cursor
from public, anon, authenticated, service_role;
grant execute on function ledger_private.read_cursor to authenticated, service_role;
