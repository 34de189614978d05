-- What decide found: the entries of the items that may be posted, what they make of the balance
-- rows, and why the other items may not.

create type ledger_private.decision as (
    booked_at timestamptz,
    lines ledger_private.line [],
    accounts uuid [],
    slots smallint [],
    posted bigint [],
    held bigint [],
    versions bigint [],
    hashes bytea [],
    refused integer [],
    codes text [],
    details jsonb []
);

comment on type ledger_private.decision is
$$lines: entries in item order. accounts to hashes: the balance rows that are met, as they will be;
posted is null where nothing happens. refused: ordinals of refused items, rising, with codes and
details.$$;
