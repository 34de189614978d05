-- What a caller wants to hold of an account at the moment of the posting, under its locks.

create type ledger.expectation as (
    account_id uuid,
    version bigint,
    available_gte bigint,
    posted_eq bigint
);

comment on type ledger.expectation is
$$A condition on an account, before the posting: its version, its posted balance, or what is
available at least, in minor units; one of the three or more. Else version_conflict.$$;
