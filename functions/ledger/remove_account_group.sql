-- ledger.remove_account_group: take a joint floor away.
--
-- Raises  book_not_found, forbidden, group_not_found, book_archived, busy
-- Tests   tests/integration/ledger/test_remove_account_group.py

create or replace function ledger.remove_account_group(
    book_id uuid,
    group_id uuid
)
returns ledger.groups
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.remove_account_group(
        remove_account_group.book_id, remove_account_group.group_id
    );
$$;

comment on function ledger.remove_account_group is
$$Take a joint floor away and return what it was.

The accounts stay as they are. Owners only.$$;

revoke execute on function ledger.remove_account_group
from public, anon, authenticated, service_role;
grant execute on function ledger.remove_account_group to authenticated, service_role;
