-- Account groups as callers see them; also what the group functions return.

create view ledger.groups with (security_invoker = true) as
select
    g.id,
    g.book_id,
    g.name,
    g.min_total::bigint as min_total,
    array(
        select m.account_id
        from ledger_private.account_group_members as m
        where m.book_id = g.book_id and m.group_id = g.id
        order by m.account_id
    ) as account_ids,
    g.version,
    g.created_at
from ledger_private.account_groups as g;

comment on view ledger.groups is 'Account groups of your books, with their joint floors.';

revoke all on table ledger.groups from public, anon, authenticated, service_role;
grant select on table ledger.groups to authenticated, service_role;
