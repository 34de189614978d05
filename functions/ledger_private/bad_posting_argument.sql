-- ledger_private.bad_posting_argument: the limits of what every posting may carry, named before
-- they become a CHECK violation. One expression without settings of its own, so that Postgres
-- inlines it.

create or replace function ledger_private.bad_posting_argument(
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
)
returns text
language sql
immutable
security invoker
as $$
    select case
        when octet_length(idempotency_key) not between 1 and 255 then 'idempotency_key'
        when effective_on not between '0001-01-01' and '9999-12-31' then 'effective_on'
        when octet_length(description) > 1000 then 'description'
        when octet_length(external_id) not between 1 and 255 then 'external_id'
        when jsonb_typeof(metadata) <> 'object' or octet_length(metadata::text) > 16384
            then 'metadata'
    end;
$$;

comment on function ledger_private.bad_posting_argument is
'Return the name of the first argument that is out of its limits, or null.';

revoke execute on function ledger_private.bad_posting_argument
from public, anon, authenticated, service_role;
