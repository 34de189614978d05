-- ledger_private.raise_error: the one way an error leaves the ledger.
--
-- An unknown code is a defect of ours and says so.

create or replace function ledger_private.raise_error(code text, details jsonb default '{}')
returns void
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_error ledger_private.error_catalogue;
begin
    select c.* into strict v_error
    from ledger_private.error_catalogue as c
    where c.code = raise_error.code;

    perform ledger_private.raise_row(v_error, raise_error.details);
end;
$$;

comment on function ledger_private.raise_error is
$$Raise an error of the catalogue.

details: the facts of this case, as a JSON object.$$;

revoke execute on function ledger_private.raise_error
from public, anon, authenticated, service_role;
grant execute on function ledger_private.raise_error to authenticated, service_role;
