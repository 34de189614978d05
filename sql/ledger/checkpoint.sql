-- What export_checkpoint returns.

create type ledger.checkpoint as (
    book_id uuid,
    taken_at timestamptz,
    entries bigint,
    root text,
    heads ledger.chain_head []
);

comment on type ledger.checkpoint is
$$All chains of a book at one moment: number of entries, heads by account and slot, and the Merkle
root over the heads (RFC 6962 prefixes, SHA-256, hexadecimal).$$;
