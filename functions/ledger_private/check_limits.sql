-- ledger_private.check_limits: what a floor and a ceiling can be. Null is none.

create or replace function ledger_private.check_limits(min_balance bigint, max_balance bigint)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_argument(
        'min_balance',
        coalesce(min_balance between -9007199254740991 and 9007199254740991, true),
        'within ±9007199254740991'
    );
    perform ledger_private.check_argument(
        'max_balance',
        coalesce(max_balance between -9007199254740991 and 9007199254740991, true),
        'within ±9007199254740991'
    );
    perform ledger_private.check_argument(
        'max_balance', coalesce(min_balance <= max_balance, true), 'not below min_balance'
    );
end;
$$;

comment on function ledger_private.check_limits is
'Raise invalid_argument for limits that no account can have.';

revoke execute on function ledger_private.check_limits
from public, anon, authenticated, service_role;
