-- One line of the feed.

create type ledger.change as (
    cursor text,
    transaction_id uuid,
    kind text,
    posted_at timestamptz,
    effective_on date,
    entries ledger.receipt_entry []
);

comment on type ledger.change is
'A transaction in the order of the feed. cursor: pass it as `after` for what follows.';
