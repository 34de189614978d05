-- ledger_private.words: the optional part of a request, for its hash. What is absent or at its
-- default is left out, so that a word added later does not turn a replay into a mismatch. Called by
-- the engine only.

create or replace function ledger_private.words(
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
)
returns text
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    return jsonb_strip_nulls(jsonb_build_object(
        'effective_on', words.effective_on,
        'description', words.description,
        'external_id', words.external_id,
        -- As text: its nulls are part of it.
        'metadata', nullif(words.metadata, '{}')::text
    ))::text;
end;
$$;

comment on function ledger_private.words is 'Return the optional words of a posting as text.';

revoke execute on function ledger_private.words
from public, anon, authenticated, service_role;
