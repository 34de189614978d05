-- ledger.set_account_group: give accounts a joint floor.
--
-- Raises  book_not_found, forbidden, invalid_argument, account_not_found, currency_mismatch,
--         group_floor, book_archived, busy
-- Tests   tests/integration/ledger/test_set_account_group.py

create or replace function ledger.set_account_group(
    book_id uuid,
    name text,
    account_ids uuid[],
    min_total bigint,
    group_id uuid default null
)
returns ledger.groups
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.set_account_group(
        set_account_group.book_id, set_account_group.name, set_account_group.account_ids,
        set_account_group.min_total, set_account_group.group_id
    );
$$;

comment on function ledger.set_account_group is
$$Give accounts a joint floor, or change one.

account_ids: 1 to 1000 accounts of one currency, with one slot each; an account may be in several
groups. min_total: what they have together, posted − held, stays at or above it, in minor units;
it may be negative. group_id: of the group to replace, or the caller's own for a new one, so that a
repeat changes nothing. Each account's own floor holds besides. Owners only.$$;

revoke execute on function ledger.set_account_group from public, anon, authenticated, service_role;
grant execute on function ledger.set_account_group to authenticated, service_role;
