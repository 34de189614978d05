-- What post_transactions returns for each item.

create type ledger.posting_result as (
    ordinal integer,
    receipt ledger.receipt,
    error_code text,
    error_details jsonb
);

comment on type ledger.posting_result is
$$The result of one item of a batch, numbered from 1: a receipt, or the code and details of its
refusal.$$;
