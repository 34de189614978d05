-- ledger_private.read_cursor: the version that a register line's cursor stands for. Callers see
-- opaque text, so that its content can change; the letter names the format.

create or replace function ledger_private.read_cursor(cursor text)
returns bigint
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if read_cursor.cursor is null then
        return 9223372036854775807;
    elsif read_cursor.cursor !~ '^v[1-9][0-9]{0,17}$' then
        perform ledger_private.raise_error(
            'invalid_cursor', jsonb_build_object('cursor', left(read_cursor.cursor, 64))
        );
    end if;
    return substr(read_cursor.cursor, 2)::bigint;
end;
$$;

comment on function ledger_private.read_cursor is
'Return the version in a cursor, or raise invalid_cursor. Null is
above every version.';

revoke execute on function ledger_private.read_cursor
from public, anon, authenticated, service_role;
grant execute on function ledger_private.read_cursor to authenticated, service_role;
