-- ledger_private.check_account: what open_account and update_account demand of the same arguments.
-- Nulls pass.

create or replace function ledger_private.check_account(
    name text,
    code text,
    external_id text,
    metadata jsonb
)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_argument(
        'name', coalesce(octet_length(check_account.name) between 1 and 255, true), '1 to 255 bytes'
    );
    perform ledger_private.check_argument(
        'code',
        coalesce(octet_length(code) <= 255 and code ~ '^[^:[:cntrl:]]+(:[^:[:cntrl:]]+)*$', true),
        'parts with colons between them, 1 to 255 bytes'
    );
    perform ledger_private.check_argument(
        'external_id', coalesce(octet_length(external_id) between 1 and 255, true), '1 to 255 bytes'
    );
    perform ledger_private.check_argument(
        'metadata',
        coalesce(
            jsonb_typeof(metadata) = 'object'
            and octet_length(metadata::text) <= 16384
            and not jsonb_path_exists(metadata, '$.**{33}'),
            true
        ),
        'an object of at most 16 KiB and 32 levels'
    );
end;
$$;

comment on function ledger_private.check_account is
'Raise invalid_argument for what an account cannot carry.';

revoke execute on function ledger_private.check_account
from public, anon, authenticated, service_role;
