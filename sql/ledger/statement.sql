-- What the function statement returns.

create type ledger.statement as (
    account_id uuid,
    currency text,
    opening bigint,
    closing bigint,
    lines ledger.register_line []
);

comment on type ledger.statement is
'Lines in value-date order between two days; opening + sum of amounts = closing, in minor units.';
