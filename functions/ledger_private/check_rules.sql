-- ledger_private.check_rules: the part of verify_book about what is not money: flags that postings
-- trust instead of looking for rules, and holders. Called by verify_book only. Reads no entries.

create or replace function ledger_private.check_rules(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with faults (check_name, first) as (
        select 'rules_are_in_force', jsonb_build_object('flag', k.flag)
        from ledger_private.books as b
        cross join lateral (
            values
            (
                'has_groups',
                b.has_groups = exists (
                    select from ledger_private.account_groups as g where g.book_id = b.id
                )
            ),
            (
                'has_periods',
                b.has_periods = exists (
                    select from ledger_private.period_locks as p where p.book_id = b.id
                )
            )
        ) as k (flag, ok)
        where b.id = check_rules.book_id and not k.ok
        union all
        select
            'holders_are_members',
            jsonb_build_object('account_id', h.account_id, 'user_id', h.user_id)
        from ledger_private.account_holders as h
        left join ledger_private.book_members as m
            on m.book_id = h.book_id and m.user_id = h.user_id
        left join ledger_private.accounts as a
            on a.book_id = h.book_id and a.id = h.account_id
        where
            h.book_id = check_rules.book_id
            and (m.role = 'holder' and a.id is not null) is not true
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', count(f.check_name), 'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values (1, 'rules_are_in_force'), (2, 'holders_are_members')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_rules is
'Check the flags of a book against its groups and periods, and its holders against its members.';

revoke execute on function ledger_private.check_rules
from public, anon, authenticated, service_role;
