-- ledger_private.entry_hash: one link of an account's chain.
--
-- SHA-256 over, in network order: format byte 1, the previous hash, book_id, account_id, slot,
-- version, transaction_id, leg, amount, balance_after, booked_at (microseconds from 2000-01-01),
-- effective_on (days from 2000-01-01), and the currency as length and bytes. Words stand outside,
-- so that they can be erased. One expression without settings of its own, so that Postgres inlines
-- it.

create or replace function ledger_private.entry_hash(
    previous_hash bytea,
    book_id uuid,
    account_id uuid,
    slot smallint,
    version bigint,
    transaction_id uuid,
    leg smallint,
    amount bigint,
    balance_after bigint,
    booked_at timestamptz,
    effective_on date,
    currency text
)
returns bytea
language sql
immutable
security invoker
as $$
    select sha256(
        '\x01'::bytea || previous_hash
        || uuid_send(book_id) || uuid_send(account_id) || int2send(slot) || int8send(version)
        || uuid_send(transaction_id) || int2send(leg) || int8send(amount) || int8send(balance_after)
        || timestamptz_send(booked_at) || date_send(effective_on)
        || int4send(octet_length(currency)) || decode(currency, 'escape')
    );
$$;

comment on function ledger_private.entry_hash is
$$Hash an entry onto the hash of the one before it.

previous_hash: 32 bytes, zero for the first entry of an account and slot.$$;

revoke execute on function ledger_private.entry_hash from public, anon, authenticated, service_role;
grant execute on function ledger_private.entry_hash to authenticated, service_role;
