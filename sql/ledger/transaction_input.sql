-- One item of a batch, as post_transactions takes it.

create type ledger.transaction_input as (
    entries ledger.entry_input [],
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
);

comment on type ledger.transaction_input is
'A transaction of a batch, with its own idempotency key, value date and words.';
