-- ledger_private.check_moment: the past that a balance function is asked for.

create or replace function ledger_private.check_moment(as_of timestamptz, effective_on date)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_argument(
        'as_of',
        coalesce(as_of >= '0001-01-01 00:00Z' and as_of < '10000-01-01 00:00Z', true),
        'a time from year 1 to 9999'
    );
    perform ledger_private.check_argument(
        'effective_on',
        coalesce(effective_on between '0001-01-01' and '9999-12-31', true),
        'a date from 0001-01-01 to 9999-12-31'
    );
    perform ledger_private.check_argument(
        'effective_on', num_nonnulls(as_of, effective_on) < 2, 'without as_of'
    );
end;
$$;

comment on function ledger_private.check_moment is
'Raise invalid_argument for two moments at once, or one that no calendar has.';

revoke execute on function ledger_private.check_moment
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_moment to authenticated, service_role;
