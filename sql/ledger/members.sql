-- Members as callers see them; also what set_member and remove_member return.

create view ledger.members with (security_invoker = true) as
select
    m.book_id,
    m.user_id,
    m.role,
    m.created_at
from ledger_private.book_members as m;

comment on view ledger.members is 'Members of your books: role owner, editor, viewer or holder.';

revoke all on table ledger.members from public, anon, authenticated, service_role;
grant select on table ledger.members to authenticated, service_role;
