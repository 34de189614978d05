-- One line of an account's register or statement.

create type ledger.register_line as (
    transaction_id uuid,
    leg smallint,
    kind text,
    booked_at timestamptz,
    effective_on date,
    description text,
    amount bigint,
    running_balance bigint,
    version bigint,
    cursor text
);

comment on type ledger.register_line is
$$An entry with its transaction's words, amounts in minor units. cursor: pass it as `before` for the
next page.$$;
