-- ledger.exchange: sell an amount of one currency for an amount of another.
--
-- Both amounts are given and exact, so that nothing is rounded here; a rate is only shown.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, insufficient_funds, limit_exceeded,
--         amount_out_of_range, group_floor, period_locked, version_conflict, idempotency_mismatch,
--         book_archived, busy
-- Tests   tests/integration/ledger/test_exchange.py

create or replace function ledger.exchange(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    sell_amount bigint,
    buy_amount bigint,
    idempotency_key text default null,
    effective_on date default null,
    description text default null,
    external_id text default null,
    metadata jsonb default null,
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.exchange(
        exchange.book_id, exchange.from_account_id, exchange.to_account_id,
        exchange.sell_amount, exchange.buy_amount, exchange.idempotency_key,
        exchange.effective_on, exchange.description, exchange.external_id, exchange.metadata,
        exchange.expect, exchange.dry_run
    );
end;
$$;

comment on function ledger.exchange is
$$Exchange money of one currency for money of another, between two accounts of a book.

sell_amount leaves the first account, buy_amount arrives in the second, each in minor units of its
account's currency. Between them stand the book's two conversion accounts, one a currency, made at
first use: what they hold is what was exchanged so far. The transaction's metadata state the rate.
Repeating the call with the same idempotency_key returns the first receipt. Editors and owners.$$;

revoke execute on function ledger.exchange from public, anon, authenticated, service_role;
grant execute on function ledger.exchange to authenticated, service_role;
