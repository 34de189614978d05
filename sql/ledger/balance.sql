-- What balance functions return.

create type ledger.balance as (
    account_id uuid,
    currency text,
    posted bigint,
    held bigint,
    available bigint,
    version bigint
);

comment on type ledger.balance is
$$Balance in minor units. available: posted − held − floor, null without a floor. version: number of
entries so far.$$;
