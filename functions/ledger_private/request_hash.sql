-- ledger_private.request_hash: tells a repeat of a request from another one under the same key.
--
-- Arguments that are absent or at their default are left out, so that a parameter added later does
-- not turn a replay into a mismatch.

create or replace function ledger_private.request_hash(function_name text, arguments jsonb)
returns bytea
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    return sha256(
        convert_to('1 ' || function_name || ' ' || jsonb_strip_nulls(arguments)::text, 'UTF8')
    );
end;
$$;

comment on function ledger_private.request_hash is
$$Hash a request: format number, function, arguments.

arguments: an object; nulls are dropped. Nested JSON goes in as text, or its nulls would be
dropped too.$$;

revoke execute on function ledger_private.request_hash
from public, anon, authenticated, service_role;
