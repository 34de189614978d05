-- The schema that PostgREST exposes: functions, and the views that callers read. It holds no data
-- of its own.

create schema ledger;

comment on schema ledger is
$$Double-entry money: accounts, transfers, balances.

Amounts are bigint counts of the currency's minor unit.$$;

revoke all on schema ledger from public, anon, authenticated, service_role;
grant usage on schema ledger to authenticated, service_role;
