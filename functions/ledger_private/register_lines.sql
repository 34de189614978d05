-- ledger_private.register_lines: an account's entries with the words of their transactions. Runs as
-- the caller; without settings of its own, so that Postgres inlines it and a page costs a page.

create or replace function ledger_private.register_lines(book_id uuid, account_id uuid)
returns setof ledger.register_line
language sql
stable
security invoker
as $$
    select
        e.transaction_id, e.leg, t.kind, e.booked_at, t.effective_on, t.description,
        e.amount, e.balance_after, e.version, 'v' || e.version
    from ledger_private.entries as e
    inner join ledger_private.transactions as t on t.book_id = e.book_id and t.id = e.transaction_id
    where
        e.book_id = register_lines.book_id
        and e.account_id = register_lines.account_id
        and e.slot = 0;
$$;

comment on function ledger_private.register_lines is
'Return the register of an account, unordered: page it from outside.';

revoke execute on function ledger_private.register_lines
from public, anon, authenticated, service_role;
grant execute on function ledger_private.register_lines to authenticated, service_role;
