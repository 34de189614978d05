-- ledger.open_account: open an account.
--
-- Raises  book_not_found, forbidden, invalid_argument, duplicate_code, idempotency_mismatch,
--         book_archived, busy
-- Tests   tests/integration/ledger/test_open_account.py

create or replace function ledger.open_account(
    book_id uuid,
    name text,
    type text,
    currency text,
    code text default null,
    min_balance bigint default null,
    max_balance bigint default null,
    payable boolean default false,
    external_id text default null,
    metadata jsonb default '{}',
    id uuid default null,
    slots integer default 1
)
returns ledger.accounts
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.open_account(
        open_account.book_id, open_account.name, open_account.type, open_account.currency,
        open_account.code, open_account.min_balance, open_account.max_balance,
        open_account.payable, open_account.external_id, open_account.metadata, open_account.id,
        open_account.slots
    );
$$;

comment on function ledger.open_account is
$$Open an account in a book.

type: asset, liability, income, expense or equity. code: a path such as assets:bank:checking,
unique in the book. min_balance and max_balance: floor and ceiling in minor units; a missing or
null floor is 0 for an asset and none for the others, see set_balance_limits for an asset without
floor. id: the caller's own, so that a repeat returns the account of the first call. slots: up to 64
for an account with neither floor nor ceiling (so not an asset) that very many postings meet: they
then write different rows, and receipts have no version and no running balance for it. Editors and
owners.$$;

revoke execute on function ledger.open_account from public, anon, authenticated, service_role;
grant execute on function ledger.open_account to authenticated, service_role;
