-- ledger_private.check_posting: what every posting may carry, and the hash of the request. The
-- table has no checks of its own. Called by the engine only.
--
-- Both in one, because most calls carry none of the words: then neither costs anything.

create or replace function ledger_private.check_posting(
    function_name text,
    arguments text,
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
)
returns bytea
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_bad jsonb;
    v_words text := '{}';
begin
    if
        octet_length(idempotency_key) not between 1 and 255
        or num_nonnulls(effective_on, description, external_id, metadata) > 0
    then
        v_bad := ledger_private.bad_argument(
            idempotency_key, effective_on, description, external_id, metadata
        );
        if v_bad is not null then
            perform ledger_private.raise_error('invalid_argument', v_bad);
        end if;
        v_words := ledger_private.words(effective_on, description, external_id, metadata);
    end if;

    if idempotency_key is null then
        return null;
    end if;
    return sha256(
        convert_to(concat_ws(' ', '1', function_name, arguments, v_words), 'UTF8')
    );
end;
$$;

comment on function ledger_private.check_posting is
$$Raise invalid_argument for what a posting cannot carry; return the hash of the request.

arguments: those of the function that are required, as text. Words that are absent or at their
default are left out of the hash, so that one added later does not turn a replay into a mismatch.
Null without an idempotency_key.$$;

revoke execute on function ledger_private.check_posting
from public, anon, authenticated, service_role;
