-- One transaction of a batch on its way: what the caller sent, its id and hash, and what has become
-- of it so far.

create type ledger_private.item as (
    ordinal integer,
    id uuid,
    request_hash bytea,
    code text,
    details jsonb,
    entries ledger.entry_input [],
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
);

comment on type ledger_private.item is
$$A transaction of a batch. ordinal: from 1. code and details: its refusal, null while there is
none.$$;
