-- ledger_private.set_account_group: the engine behind ledger.set_account_group. Under the exclusive
-- lock: a posting that has found no group on its accounts must end first.
--
-- A floor that the sum already breaks is refused, so that "no group is below its floor" holds at
-- every moment. The balances are locked though nobody else can post: at repeatable read the
-- snapshot may be older than a posting, and the lock then aborts (40001).

create or replace function ledger_private.set_account_group(
    book_id uuid,
    name text,
    account_ids uuid[],
    min_total bigint,
    group_id uuid
)
returns ledger.groups
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_id uuid := coalesce(set_account_group.group_id, ledger_private.new_id());
    v_group ledger.groups;
    v record;
begin
    perform ledger_private.check_argument(
        'name', octet_length(set_account_group.name) between 1 and 255, '1 to 255 bytes'
    );
    perform ledger_private.check_argument(
        'account_ids',
        (
            select count(*) between 1 and 1000 and count(distinct s.id) = count(*)
            from unnest(set_account_group.account_ids) as s (id)
        ),
        '1 to 1000 accounts, each once'
    );
    perform ledger_private.check_argument(
        'min_total',
        set_account_group.min_total between -9007199254740991 and 9007199254740991,
        'within ±9007199254740991'
    );
    perform ledger_private.enter_book(set_account_group.book_id, 'owner', exclusive => true);

    select
        min(s.id::text) filter (where l.account_id is null) as missing,
        array_agg(distinct l.currency order by l.currency) as currencies,
        max(l.slots) as slots,
        sum(l.posted - l.held) as total
    into v
    from unnest(set_account_group.account_ids) as s (id)
    left join (
        select b.account_id, b.currency, b.slots, b.posted, b.held
        from ledger_private.balances as b
        where
            b.book_id = set_account_group.book_id
            and b.account_id = any(set_account_group.account_ids)
            and b.slot = 0
        order by b.account_id, b.slot
        for no key update
    ) as l on l.account_id = s.id;

    if v.missing is not null then
        perform ledger_private.raise_error(
            'account_not_found', jsonb_build_object('account_id', v.missing)
        );
    elsif cardinality(v.currencies) > 1 then
        perform ledger_private.raise_error(
            'currency_mismatch', jsonb_build_object('currencies', v.currencies)
        );
    end if;
    perform ledger_private.check_argument('account_ids', v.slots = 1, 'accounts with one slot');
    if v.total < set_account_group.min_total then
        perform ledger_private.raise_error('group_floor', jsonb_build_object(
            'group_id', v_id, 'available', v.total, 'required', set_account_group.min_total
        ));
    end if;

    insert into ledger_private.account_groups as g (book_id, id, name, min_total)
    values (
        set_account_group.book_id, v_id, set_account_group.name, set_account_group.min_total
    )
    on conflict on constraint account_groups_pkey
    do update set name = excluded.name, min_total = excluded.min_total;

    delete from ledger_private.account_group_members as m
    where
        m.book_id = set_account_group.book_id
        and m.group_id = v_id
        and m.account_id <> all(set_account_group.account_ids);

    insert into ledger_private.account_group_members (book_id, account_id, group_id)
    select set_account_group.book_id, s.id, v_id
    from unnest(set_account_group.account_ids) as s (id)
    on conflict on constraint account_group_members_pkey do nothing;

    update ledger_private.books as b
    set has_groups = true
    where b.id = set_account_group.book_id and not b.has_groups;

    select g.* into v_group
    from ledger.groups as g
    where g.book_id = set_account_group.book_id and g.id = v_id;
    return v_group;
end;
$$;

comment on function ledger_private.set_account_group is
$$Give accounts a joint floor: the engine of ledger.set_account_group. min_total in minor units.$$;

revoke execute on function ledger_private.set_account_group
from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_account_group to authenticated, service_role;
