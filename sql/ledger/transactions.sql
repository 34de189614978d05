-- Transactions as callers see them.

create view ledger.transactions with (security_invoker = true) as
select
    t.id,
    t.book_id,
    t.kind,
    t.effective_on,
    t.posted_at,
    t.description,
    t.idempotency_key,
    t.external_id,
    t.reverses_id,
    t.metadata,
    t.created_by
from ledger_private.transactions as t;

comment on view ledger.transactions is 'Transactions of your books.';

revoke all on table ledger.transactions from public, anon, authenticated, service_role;
grant select on table ledger.transactions to authenticated, service_role;
