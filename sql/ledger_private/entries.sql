-- The roll: every change of every balance, one line each, never altered. An account's lines are
-- numbered without gaps and chained by hash, so that a missing, changed or moved line shows.
--
-- The hash of a line is SHA-256 over: format byte 1, the hash of the line before it (32 zero bytes
-- for the first), then book_id, account_id, slot int2, version int8, transaction_id, leg int2,
-- amount int8, balance_after int8, booked_at as int8 microseconds and effective_on as int4 days
-- from 2000-01-01, and the currency, each as its length int4 and its bytes, in network order: which
-- is what array_send makes of an array of bytea, behind a header of 20 bytes, for less than
-- concatenating them costs. Words stand outside, so that they can be erased.
--
-- A line whose value date is not the UTC day of its booking carries it in `dated`, which is null
-- otherwise: so the index for value dates holds only those, and the others cost nothing.
--
-- Its account's currency stands in the line, so that the trigger can sum without a join.
--
-- No foreign keys: three of them cost a third of a transfer. The engine writes parent and child in
-- one call, parents cannot be deleted, and verify_book proves that each is there.

create table ledger_private.entries (
    book_id uuid not null,
    account_id uuid not null,
    transaction_id uuid not null,
    version bigint not null,
    amount ledger_private.minor_units not null,
    balance_after ledger_private.minor_units not null,
    booked_at timestamptz not null,
    slot smallint not null,
    leg smallint not null,
    hash bytea not null,
    dated date,
    currency text not null,
    -- The register of an account, the chain, and the balance at a moment: booked_at rises with the
    -- version, so one index has both orders.
    constraint entries_pkey primary key (book_id, account_id, slot, booked_at, version),
    -- The receipt of a transaction.
    constraint entries_leg_key unique (book_id, transaction_id, leg)
);

-- Statements: what was booked on another day than its value date.
create index entries_dated_idx on ledger_private.entries (book_id, account_id, dated)
where dated is not null;

create trigger entries_sum_to_zero
after insert on ledger_private.entries
referencing new table as new_entries
for each statement execute function ledger_private.require_zero_sum();

create trigger entries_are_final
before update or delete or truncate on ledger_private.entries
for each statement execute function ledger_private.refuse_change();

alter table ledger_private.entries enable row level security;
create policy entries_of_members on ledger_private.entries for select to authenticated
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or (book_id, account_id) in (
        select
            h.book_id,
            h.account_id
        from ledger_private.my_accounts() as h
    )
);

revoke all on table ledger_private.entries from public, anon, authenticated, service_role;
grant select on table ledger_private.entries to authenticated, service_role;

comment on table ledger_private.entries is 'Changes of balances, append-only, chained by hash.';
comment on column ledger_private.entries.version is
'Number of the line in its account and slot, from 1, without gaps.';
comment on column ledger_private.entries.leg is 'Number of the line in its transaction, from 1.';
comment on column ledger_private.entries.balance_after is
'Posted balance of the account and slot after this line.';
comment on column ledger_private.entries.booked_at is 'When it was booked: rises with the version.';
comment on column ledger_private.entries.dated is
'Value date, where it is not the UTC day of booked_at.';
comment on column ledger_private.entries.hash is
'SHA-256 of this line and the hash of the one before it.';
