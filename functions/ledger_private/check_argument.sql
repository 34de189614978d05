-- ledger_private.check_argument: refuse an argument under its own name, before it becomes a CHECK
-- violation. For calls that are not hot; postings use bad_posting_argument.

create or replace function ledger_private.check_argument(argument text, ok boolean, reason text)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if ok is not true then
        perform ledger_private.raise_error(
            'invalid_argument', jsonb_build_object('argument', argument, 'reason', reason)
        );
    end if;
end;
$$;

comment on function ledger_private.check_argument is 'Raise invalid_argument unless ok is true.';

revoke execute on function ledger_private.check_argument
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_argument to authenticated, service_role;
