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
    v_argument text;
    v_words text := '{}';
begin
    if
        octet_length(idempotency_key) not between 1 and 255
        or num_nonnulls(effective_on, description, external_id, metadata) > 0
    then
        v_argument := case
            when octet_length(idempotency_key) not between 1 and 255 then 'idempotency_key'
            when effective_on not between '0001-01-01' and '9999-12-31' then 'effective_on'
            when octet_length(description) > 1000 then 'description'
            when octet_length(external_id) not between 1 and 255 then 'external_id'
            when
                jsonb_typeof(metadata) <> 'object'
                or octet_length(metadata::text) > 16384
                or jsonb_path_exists(metadata, '$.**{33}') then 'metadata'
        end;
        v_words := jsonb_strip_nulls(jsonb_build_object(
            'effective_on', effective_on,
            'description', description,
            'external_id', external_id,
            'metadata', nullif(metadata, '{}')::text
        ))::text;
    end if;

    if v_argument is not null then
        perform ledger_private.raise_error('invalid_argument', jsonb_build_object(
            'argument', v_argument,
            'reason', case v_argument
                when 'effective_on' then 'a date from 0001-01-01 to 9999-12-31'
                when 'description' then 'at most 1000 bytes'
                when 'metadata' then 'an object of at most 16 KiB and 32 levels'
                else '1 to 255 bytes'
            end
        ));
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
