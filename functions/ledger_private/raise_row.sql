-- ledger_private.raise_row: raise an error whose row of the catalogue is at hand.
--
-- PostgREST takes sqlstate PGRST apart into an HTTP status, headers and a body; a SQL caller finds
-- the same JSON in the message.

create or replace function ledger_private.raise_row(
    error ledger_private.error_catalogue,
    details jsonb
)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    raise sqlstate 'PGRST' using
        message = json_build_object(
            'code', (raise_row.error).code,
            'message', (raise_row.error).message,
            'details', raise_row.details::text,
            'hint', (raise_row.error).hint
        )::text,
        detail = json_build_object(
            'status', (raise_row.error).http_status,
            'headers',
            case when (raise_row.error).retryable then '{"Retry-After": "1"}' else '{}' end::json
        )::text;
end;
$$;

comment on function ledger_private.raise_row is
$$Raise an error of the catalogue by its row.

details: the facts of this case, as a JSON object.$$;

revoke execute on function ledger_private.raise_row
from public, anon, authenticated, service_role;
