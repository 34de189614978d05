-- ledger_private.check_range: a computed balance, as callers get it. Each posting keeps the
-- balances that it writes in the range; a sum by value date may leave it.

create or replace function ledger_private.check_range(account_id uuid, balance numeric)
returns bigint
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if abs(check_range.balance) > 9007199254740991 then
        perform ledger_private.raise_error(
            'amount_out_of_range', jsonb_build_object('account_id', check_range.account_id)
        );
    end if;
    return check_range.balance;
end;
$$;

comment on function ledger_private.check_range is
'Return a balance in minor units, or raise amount_out_of_range.';

revoke execute on function ledger_private.check_range
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_range to authenticated, service_role;
