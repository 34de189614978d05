-- What every posting returns.

create type ledger.receipt as (
    transaction_id uuid,
    book_id uuid,
    kind text,
    posted_at timestamptz,
    effective_on date,
    replayed boolean,
    dry_run boolean,
    entries ledger.receipt_entry []
);

comment on type ledger.receipt is
$$Proof of a posting. replayed: the idempotency key was used before and this is the first receipt
again.$$;
