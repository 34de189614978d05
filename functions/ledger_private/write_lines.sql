-- ledger_private.write_lines: write what decide has decided. Called by the engine only, under its
-- locks. One statement a table.

create or replace function ledger_private.write_lines(
    book_id uuid,
    door ledger_private.door,
    decision ledger_private.decision
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    insert into ledger_private.entries (
        book_id, account_id, transaction_id, version, amount, balance_after, booked_at, slot, leg,
        hash, dated, currency
    )
    select
        write_lines.book_id, l.account_id, l.transaction_id, l.version, l.amount, l.balance_after,
        (write_lines.decision).booked_at, l.slot, l.leg, l.hash, l.dated, l.currency
    from unnest((write_lines.decision).lines) as l;

    update ledger_private.balances as b
    set
        posted = r.posted,
        held = b.held + coalesce(r.held, 0),
        version = r.version,
        booked_at = (write_lines.decision).booked_at,
        hash = r.hash
    from unnest(
        (write_lines.decision).accounts, (write_lines.decision).slots,
        (write_lines.decision).posted, (write_lines.decision).held,
        (write_lines.decision).versions, (write_lines.decision).hashes
    ) as r (account_id, slot, posted, held, version, hash)
    where
        r.hash is not null
        and b.book_id = write_lines.book_id
        and b.account_id = r.account_id
        and b.slot = r.slot;

    if exists (select from unnest((write_lines.decision).lines) as l where l.dated is not null) then
        perform ledger_private.shift_value(write_lines.book_id, array(
            select distinct l.transaction_id from unnest((write_lines.decision).lines) as l
        ));
    end if;
    if (write_lines.door).has_groups then
        update ledger_private.account_groups as g
        set version = g.version + 1
        where
            g.book_id = write_lines.book_id
            and g.id = any(array(
                select m.group_id
                from unnest((write_lines.decision).lines) as l
                inner join ledger_private.account_group_members as m
                    on m.book_id = write_lines.book_id and m.account_id = l.account_id
            ));
    end if;
end;
$$;

comment on function ledger_private.write_lines is
'Write a decision: entries, balances, value shifts, group versions.';

revoke execute on function ledger_private.write_lines
from public, anon, authenticated, service_role;
