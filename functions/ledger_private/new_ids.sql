-- ledger_private.new_ids: time-ordered ids for a batch, in its order.
--
-- UUIDs version 7 (RFC 9562) with the place in the batch where the version leaves 12 bits: past
-- 4,096 of them the millisecond is counted on.

create or replace function ledger_private.new_ids(number integer)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_millis bigint := (date_part('epoch', clock_timestamp()) * 1000)::bigint;
begin
    return array(
        select encode(
            int8send((v_millis + g.n / 4096 << 16) | 28672 | g.n % 4096)
            || substr(uuid_send(gen_random_uuid()), 9),
            'hex'
        )::uuid
        from generate_series(0, new_ids.number - 1) as g (n)
    );
end;
$$;

comment on function ledger_private.new_ids is 'Make time-ordered UUIDs (version 7), rising.';

revoke execute on function ledger_private.new_ids
from public, anon, authenticated, service_role;
