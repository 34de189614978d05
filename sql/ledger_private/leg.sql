-- One side of a posting, as the engine takes it.

create type ledger_private.leg as (
    ordinal integer,
    leg smallint,
    account_id uuid,
    slot smallint,
    amount bigint,
    held bigint,
    transaction_id uuid,
    effective_on date
);

comment on type ledger_private.leg is
$$One side of a posting. ordinal: its item in a batch, from 1. slot: null for this session's own.
held: what the posting adds to the account's held; negative for a capture.$$;
