-- One row a posting: what happened, when, by whom, and under which idempotency key. The row is also
-- the lock between duplicates: it is inserted first, and the second sender waits on its unique key.
--
-- No checks and no foreign keys: only the engine writes here, it has looked at every argument, and
-- each of them would be set up anew in every posting. A key to books would lock the book's row.
--
-- Append-only, but for the words: description, external_id and metadata can be erased by the owner
-- of the schema, since no hash covers them.

create table ledger_private.transactions (
    book_id uuid not null,
    id uuid not null,
    kind text not null,
    effective_on date not null,
    posted_at timestamptz not null default clock_timestamp(),
    description text,
    idempotency_key text,
    request_hash bytea,
    external_id text,
    reverses_id uuid,
    metadata jsonb not null default '{}',
    created_by uuid,
    xid xid8 not null default pg_current_xact_id(),
    constraint transactions_pkey primary key (book_id, id)
);

-- The lock between duplicates. Partial, like accounts_code_key: it never serves a search by id.
create unique index transactions_idempotency_key_key
on ledger_private.transactions (book_id, idempotency_key)
where idempotency_key is not null;

-- Callers look their own references up.
create index transactions_external_id_idx on ledger_private.transactions (book_id, external_id)
where external_id is not null;

-- What a partial reversal leaves to reverse.
create index transactions_reverses_id_idx on ledger_private.transactions (book_id, reverses_id)
where reverses_id is not null;

-- changes_since: the feed, in the order in which it can be read without gaps.
create index transactions_xid_idx on ledger_private.transactions (book_id, xid, id);

-- A batch inserts its rows first, since they are the lock between duplicates, and takes back those
-- of the items that it refuses: nobody has seen them.
create trigger transactions_are_kept
before delete on ledger_private.transactions
for each row when (old.xid <> pg_current_xact_id())
execute function ledger_private.refuse_change();

create trigger transactions_are_never_truncated
before truncate on ledger_private.transactions
for each statement execute function ledger_private.refuse_change();

create trigger transactions_are_final
before update of
book_id, id, kind, effective_on, posted_at, idempotency_key, request_hash, reverses_id,
created_by, xid
on ledger_private.transactions
for each statement execute function ledger_private.refuse_change();

alter table ledger_private.transactions enable row level security;
create policy transactions_of_members on ledger_private.transactions for select to authenticated
using (
    book_id = any((select ledger_private.my_memberships())::uuid[])
    and (
        book_id = any((select ledger_private.my_books())::uuid[])
        -- Asked only of a holder, in her own books: she sees what touches her accounts.
        or ledger_private.touches_my_accounts(book_id, id)
    )
);

revoke all on table ledger_private.transactions from public, anon, authenticated, service_role;
grant select on table ledger_private.transactions to authenticated, service_role;

comment on table ledger_private.transactions is
'Postings, append-only, each with its idempotency key.';
comment on column ledger_private.transactions.effective_on is 'Value date.';
comment on column ledger_private.transactions.request_hash is
'SHA-256 of the request that used the idempotency key.';
comment on column ledger_private.transactions.external_id is
'A reference of the caller''s; need not be unique.';
comment on column ledger_private.transactions.xid is
'Database transaction: the order of the change feed.';
