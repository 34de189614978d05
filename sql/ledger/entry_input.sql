-- One line of a posting, as post_transaction takes it.

create type ledger.entry_input as (
    account_id uuid,
    amount bigint
);

comment on type ledger.entry_input is
'An account and what it gets, in minor units: negative is taken from it.';
