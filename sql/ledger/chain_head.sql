-- The end of one hash chain.

create type ledger.chain_head as (
    account_id uuid,
    slot smallint,
    version bigint,
    hash text
);

comment on type ledger.chain_head is
'The last entry of an account and slot: its number and its SHA-256, in hexadecimal.';
