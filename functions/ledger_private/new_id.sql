-- ledger_private.new_id: ids that grow with time, so that they land on the warm end of their
-- indexes.
--
-- A UUID version 7 (RFC 9562) made from a version 4: its first 48 bits become the milliseconds
-- since 1970, and setting bits 52 and 53 (counted as set_bit counts) turns the version nibble 4
-- into 7. The same on every server version.

create or replace function ledger_private.new_id()
returns uuid
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    return encode(
        set_bit(
            set_bit(
                overlay(
                    uuid_send(gen_random_uuid())
                    placing substring(
                        int8send((date_part('epoch', clock_timestamp()) * 1000)::bigint) from 3
                    )
                    from 1 for 6
                ),
                52, 1
            ),
            53, 1
        ),
        'hex'
    )::uuid;
end;
$$;

comment on function ledger_private.new_id is 'Make a time-ordered UUID (version 7).';

revoke execute on function ledger_private.new_id from public, anon, authenticated, service_role;
