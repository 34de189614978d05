-- The current balance of an account, and the lock that every posting takes. One row an account and
-- slot, narrow, with free space in its page: an update that touches no index stays on it (HOT) and
-- leaves nothing to vacuum.
--
-- posted, version, booked_at and hash repeat what the last entry says; verify_book compares them.

create table ledger_private.balances (
    book_id uuid not null,
    account_id uuid not null,
    slot smallint not null default 0,
    posted ledger_private.minor_units not null default 0,
    held ledger_private.minor_units not null default 0,
    version bigint not null default 0,
    booked_at timestamptz not null default '-infinity',
    hash bytea not null default decode(repeat('00', 32), 'hex'),
    constraint balances_pkey primary key (book_id, account_id, slot),
    constraint balances_account_fkey foreign key (book_id, account_id)
    references ledger_private.accounts (book_id, id)
) with (fillfactor = 60);

alter table ledger_private.balances enable row level security;
create policy balances_of_members on ledger_private.balances for select to authenticated
using (book_id = any((select ledger_private.my_books())::uuid[]));

revoke all on table ledger_private.balances from public, anon, authenticated, service_role;
grant select on table ledger_private.balances to authenticated, service_role;

comment on table ledger_private.balances is
'Current balance of each account; the row that a posting locks.';
comment on column ledger_private.balances.version is 'Number of entries so far.';
comment on column ledger_private.balances.hash is
'Hash of the last entry; 32 zero bytes before the first.';
