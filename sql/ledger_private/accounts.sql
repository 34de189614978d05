-- What can hold money: its names and words, type and currency. What a posting decides by (state,
-- limits, the money itself) is in balances: the row that it locks anyway, so that it never reads a
-- rule which has changed since.

create table ledger_private.accounts (
    book_id uuid not null,
    id uuid not null,
    code text,
    name text not null,
    type text not null,
    currency text not null,
    payable boolean not null default false,
    external_id text,
    metadata jsonb not null default '{}',
    created_at timestamptz not null default clock_timestamp(),
    request_hash bytea not null,
    constraint accounts_pkey primary key (book_id, id),
    constraint accounts_book_id_fkey foreign key (book_id) references ledger_private.books (id),
    constraint accounts_currency_fkey foreign key (currency)
    references ledger_private.currencies (code),
    constraint accounts_code_is_path check (
        octet_length(code) <= 255 and code ~ '^[^:[:cntrl:]]+(:[^:[:cntrl:]]+)*$'
    ),
    constraint accounts_name_length check (octet_length(name) between 1 and 255),
    constraint accounts_type_known check (
        type in ('asset', 'liability', 'income', 'expense', 'equity')
    ),
    constraint accounts_external_id_length check (octet_length(external_id) between 1 and 255),
    constraint accounts_metadata_is_object check (
        jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384
    )
);

-- Partial, so that it never serves a search by id: while the table is small its plan would cost the
-- same, and a session keeps the plan when the table has grown.
create unique index accounts_code_key on ledger_private.accounts (book_id, code)
where code is not null;

-- Callers look their own references up.
create index accounts_external_id_idx on ledger_private.accounts (book_id, external_id)
where external_id is not null;

create trigger accounts_are_kept
before delete or truncate on ledger_private.accounts
for each statement execute function ledger_private.refuse_change();

alter table ledger_private.accounts enable row level security;
create policy accounts_of_members on ledger_private.accounts for select to authenticated
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or (book_id, id) in (
        select
            h.book_id,
            h.account_id
        from ledger_private.my_accounts() as h
    )
);

revoke all on table ledger_private.accounts from public, anon, authenticated, service_role;
grant select on table ledger_private.accounts to authenticated, service_role;

comment on table ledger_private.accounts is
'Accounts: names, type, currency. State, limits and money stand in balances.';
comment on column ledger_private.accounts.code is
'Path such as assets:bank:checking; unique in its book.';
comment on column ledger_private.accounts.payable is
'Whether those who hold other accounts of the book may pay into it.';
comment on column ledger_private.accounts.request_hash is
'SHA-256 of the call that made it: tells a repeat from another.';
