-- An entry on its way into the roll: decided and hashed, not yet written.

create type ledger_private.line as (
    ordinal integer,
    leg smallint,
    account_id uuid,
    transaction_id uuid,
    version bigint,
    amount bigint,
    balance_after bigint,
    slot smallint,
    slots smallint,
    dated date,
    currency text,
    hash bytea
);

comment on type ledger_private.line is
'An entry to be written. ordinal: its item in a batch, from 1.';
