-- ledger_private.check_posting: what every posting may carry. The table has no checks of its own.
-- Called by the engine only.

create or replace function ledger_private.check_posting(
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
)
returns void
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
    v_argument text := case
        when octet_length(idempotency_key) not between 1 and 255 then 'idempotency_key'
        when effective_on not between '0001-01-01' and '9999-12-31' then 'effective_on'
        when octet_length(description) > 1000 then 'description'
        when octet_length(external_id) not between 1 and 255 then 'external_id'
        when jsonb_typeof(metadata) <> 'object' or octet_length(metadata::text) > 16384
            then 'metadata'
    end;
begin
    if v_argument is not null then
        perform ledger_private.raise_error('invalid_argument', jsonb_build_object(
            'argument', v_argument,
            'reason', case v_argument
                when 'effective_on' then 'a date from 0001-01-01 to 9999-12-31'
                when 'description' then 'at most 1000 bytes'
                when 'metadata' then 'an object of at most 16 KiB'
                else '1 to 255 bytes'
            end
        ));
    end if;
end;
$$;

comment on function ledger_private.check_posting is
'Raise invalid_argument for what a posting cannot carry. Nulls pass.';

revoke execute on function ledger_private.check_posting
from public, anon, authenticated, service_role;
