-- The hot row of an account: the money, and all that decides whether a posting may move it. It is
-- the lock that every posting takes. Row locks give the newest version of the row itself, so state
-- and limits need no second look; in a table of their own they would.
--
-- One row an account and slot. An account with neither floor nor ceiling may have several slots:
-- its balance is their sum, and concurrent postings choose different ones (by the number of their
-- server process), so that an income or outside-world account is never a hot row. State is repeated
-- in each slot, and changed in all of them at once.
--
-- Narrow, with free space in its page: an update that touches no index stays on it (HOT) and leaves
-- nothing to vacuum. Domains, not CHECKs: those would be parsed anew by each posting.
--
-- posted, version, booked_at and hash repeat what the last entry says, currency what the account
-- says; verify_book compares them.

create table ledger_private.balances (
    book_id uuid not null,
    account_id uuid not null,
    slot smallint not null default 0,
    posted ledger_private.minor_units not null default 0,
    held ledger_private.minor_units not null default 0,
    version bigint not null default 0,
    booked_at timestamptz not null default '-infinity',
    hash bytea not null default decode(repeat('00', 32), 'hex'),
    slots smallint not null default 1,
    min_balance ledger_private.minor_units,
    max_balance ledger_private.minor_units,
    currency text not null,
    status ledger_private.account_status not null default 'open',
    constraint balances_pkey primary key (book_id, account_id, slot),
    constraint balances_account_fkey foreign key (book_id, account_id)
    references ledger_private.accounts (book_id, id)
) with (fillfactor = 60);

alter table ledger_private.balances enable row level security;
create policy balances_of_members on ledger_private.balances for select to authenticated
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or (book_id, account_id) in (
        select
            h.book_id,
            h.account_id
        from ledger_private.my_accounts() as h
    )
);

revoke all on table ledger_private.balances from public, anon, authenticated, service_role;
grant select on table ledger_private.balances to authenticated, service_role;

comment on table ledger_private.balances is
'Money, state and limits of each account; the row that a posting locks.';
comment on column ledger_private.balances.slots is
'Number of rows that the account has; fixed when it is opened.';
comment on column ledger_private.balances.held is 'Reserved by pending holds, in minor units.';
comment on column ledger_private.balances.version is 'Number of entries so far.';
comment on column ledger_private.balances.min_balance is
'Floor of posted − held in minor units; null: none.';
comment on column ledger_private.balances.max_balance is
'Ceiling of posted in minor units; null: none.';
comment on column ledger_private.balances.hash is
'Hash of the last entry; 32 zero bytes before the first.';
