-- One line of a receipt.

create type ledger.receipt_entry as (
    account_id uuid,
    amount bigint,
    balance_after bigint,
    version bigint
);

comment on type ledger.receipt_entry is
$$What a posting did to one account: signed amount and posted balance in minor units, number of the
entry.$$;
