-- ledger_private.refuse_item: refuse a whole batch for one of its items. Called by post_items only.

create or replace function ledger_private.refuse_item(
    mode text,
    code text,
    details jsonb,
    ordinal integer
)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.raise_error(refuse_item.code, refuse_item.details || case
        when refuse_item.mode = 'single' then '{}'
        else jsonb_build_object('ordinal', refuse_item.ordinal)
    end);
end;
$$;

comment on function ledger_private.refuse_item is
'Raise the error of one item; in a batch its details name the item.';

revoke execute on function ledger_private.refuse_item
from public, anon, authenticated, service_role;
