-- ledger_private.bad_argument: which of a posting's words it cannot carry, and why. The table has
-- no checks of its own. Called by the engine only, where a posting has words at all: most have
-- none.

create or replace function ledger_private.bad_argument(
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
)
returns jsonb
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_argument text := case
        when octet_length(idempotency_key) not between 1 and 255 then 'idempotency_key'
        when effective_on not between '0001-01-01' and '9999-12-31' then 'effective_on'
        when octet_length(description) > 1000 then 'description'
        when octet_length(external_id) not between 1 and 255 then 'external_id'
        when
            jsonb_typeof(metadata) <> 'object'
            or octet_length(metadata::text) > 16384
            or jsonb_path_exists(metadata, '$.**{33}') then 'metadata'
    end;
begin
    if v_argument is null then
        return null;
    end if;
    return jsonb_build_object(
        'argument', v_argument,
        'reason', case v_argument
            when 'effective_on' then 'a date from 0001-01-01 to 9999-12-31'
            when 'description' then 'at most 1000 bytes'
            when 'metadata' then 'an object of at most 16 KiB and 32 levels'
            else '1 to 255 bytes'
        end
    );
end;
$$;

comment on function ledger_private.bad_argument is
'Return the details of invalid_argument for a posting''s words, null where all are well.';

revoke execute on function ledger_private.bad_argument
from public, anon, authenticated, service_role;
