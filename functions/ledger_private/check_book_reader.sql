-- ledger_private.check_book_reader: for what tells about a whole book. Runs as the caller.

create or replace function ledger_private.check_book_reader(book_id uuid)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_visible(check_book_reader.book_id);
    if ledger_private.is_holder(check_book_reader.book_id) then
        perform ledger_private.raise_error('forbidden', jsonb_build_object(
            'book_id', check_book_reader.book_id, 'role', 'holder', 'required', 'viewer'
        ));
    end if;
end;
$$;

comment on function ledger_private.check_book_reader is
'Raise book_not_found for strangers and forbidden for holders.';

revoke execute on function ledger_private.check_book_reader
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_book_reader to authenticated, service_role;
