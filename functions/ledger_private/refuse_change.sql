-- ledger_private.refuse_change: what is written on the roll stays.
--
-- The owner of the tables has the right to change them, so a missing grant is not enough. Nobody
-- reaches this through the API: it is a plain error, not one of the catalogue.

create or replace function ledger_private.refuse_change()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    raise restrict_violation using
        message = format(
            '%s of %I.%I is refused: it is append-only', tg_op, tg_table_schema, tg_table_name
        ),
        hint = 'Post a transaction that corrects the old one.';
end;
$$;

comment on function ledger_private.refuse_change is
'Refuse the statement: trigger of append-only tables.';

revoke execute on function ledger_private.refuse_change
from public, anon, authenticated, service_role;
