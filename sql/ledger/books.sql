-- Books as callers see them; also what create_book and update_book return.

create view ledger.books with (security_invoker = true) as
select
    b.id,
    b.name,
    b.base_currency,
    b.archived_at,
    b.created_at
from ledger_private.books as b;

comment on view ledger.books is 'Books that you are a member of.';

revoke all on table ledger.books from public, anon, authenticated, service_role;
grant select on table ledger.books to authenticated, service_role;
