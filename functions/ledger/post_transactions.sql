-- ledger.post_transactions: a batch.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, unbalanced, account_frozen, account_closed, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_post_transactions.py

create or replace function ledger.post_transactions(
    book_id uuid,
    transactions ledger.transaction_input[],
    mode text default 'atomic',
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns setof ledger.posting_result
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    perform ledger_private.check_argument(
        'mode', post_transactions.mode in ('atomic', 'per_item'), 'atomic or per_item'
    );
    return query select r.* from ledger_private.post_items(
        post_transactions.mode, post_transactions.book_id, post_transactions.transactions,
        post_transactions.expect, post_transactions.dry_run
    ) as r;
end;
$$;

comment on function ledger.post_transactions is
$$Post up to 10,000 transactions, in their order, each with its own idempotency key.

mode atomic: all or nothing; the error's details name the item (ordinal, from 1). mode per_item:
each by itself, as if called one after the other; a refused one has a code instead of a receipt and
stops none of the others. expect is compared once, before the first item. A key that is used twice
in a batch is tried once: its later items get the result of the first. The API returns at most 1,000 rows a call. Editors and owners; holders
between accounts that they may use.$$;

revoke execute on function ledger.post_transactions from public, anon, authenticated, service_role;
grant execute on function ledger.post_transactions to authenticated, service_role;
