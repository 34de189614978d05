-- ledger_private.decide: what postings do, in item order, and which of them are refused. The half
-- of the general engine that writes nothing. Called by the engine only, under the locks of
-- lock_groups and lock_accounts.
--
-- One statement brings every leg with its balance row, and what is wrong with it whatever the
-- balances are; the loop runs the balances. An item that is refused moves nothing, and the next is
-- judged as if it had never been: one pass, no subtransactions.
--
-- Refusals name no balance of an account that a holder does not hold.

create or replace function ledger_private.decide(
    book_id uuid,
    door ledger_private.door,
    legs ledger_private.leg[],
    per_item boolean
)
returns ledger_private.decision
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_decision ledger_private.decision;
    v_holder boolean := (decide.door).role = 'holder';
    v_has_groups boolean := (decide.door).has_groups;
    v_has_periods boolean := (decide.door).has_periods;
    v_now timestamptz := clock_timestamp();
    v_lines ledger_private.line[] := '{}'::ledger_private.line[];
    v_count integer := 0;
    v_refused integer[] := '{}'::integer[];
    v_codes text[] := '{}'::text[];
    v_details jsonb[] := '{}'::jsonb[];
    v_refusals integer := 0;
    -- Of each balance row that is met: what the items so far have made of it.
    v_posted bigint[] := array_fill(null::bigint, array[cardinality(decide.legs)]);
    v_held bigint[] := v_posted;
    v_versions bigint[] := v_posted;
    -- As long as the others from the start: the place of a row is the same in all of them.
    v_accounts uuid[] := array_fill(null::uuid, array[cardinality(decide.legs)]);
    v_slots smallint[] := array_fill(null::smallint, array[cardinality(decide.legs)]);
    v_hashes bytea[] := array_fill(null::bytea, array[cardinality(decide.legs)]);
    -- Of the item at hand: what its legs have overwritten.
    v_undo_rows integer[] := '{}'::integer[];
    v_undo_hashes bytea[] := '{}'::bytea[];
    -- Of each group that is met.
    v_groups uuid[];
    v_floors bigint[];
    v_totals numeric[];
    v_deltas numeric[];
    v_group integer;
    v_ordinal integer := 0;
    v_leg integer;
    v_row integer;
    v_moment timestamptz;
    v_today date;
    v_code text;
    v_before bigint;
    v_after bigint;
    v_version bigint;
    v_hash bytea;
    v record;
begin
    if v_has_groups then
        select array_agg(g.id), array_agg(g.min_total), array_agg(t.total)
        into v_groups, v_floors, v_totals
        from ledger_private.account_groups as g
        cross join lateral (
            select sum(b.posted - b.held) as total
            from ledger_private.account_group_members as m
            inner join ledger_private.balances as b
                on b.book_id = m.book_id and b.account_id = m.account_id and b.slot = 0
            where m.book_id = g.book_id and m.group_id = g.id
        ) as t
        where g.book_id = decide.book_id and g.id = any(array(
            select m.group_id
            from unnest(decide.legs) as l
            inner join ledger_private.account_group_members as m
                on m.book_id = decide.book_id and m.account_id = l.account_id
        ));
        v_has_groups := v_groups is not null;
    end if;

    for v in
        with met as materialized (
            select
                x.account_id, x.slot as asked_slot, b.slot, b.slots, b.posted, b.version, b.hash,
                b.status, b.currency,
                b.held + b.min_balance as floor,
                b.max_balance as ceiling,
                9007199254740991 / b.slots as cap,
                row_number() over ()::integer as at_row,
                greatest(v_now, max(b.booked_at) over ()) as moment
            from (
                select distinct l.account_id, l.slot from unnest(decide.legs) as l
            ) as x
            left join ledger_private.balances as b
                on b.book_id = decide.book_id and b.account_id = x.account_id
                and b.slot = coalesce(x.slot, mod(pg_backend_pid(), b.slots))
        ),

        -- The sum of all amounts is zero by now: only where currencies are mixed may one not be.
        unbalanced as (
            select distinct l.ordinal
            from unnest(decide.legs) as l
            inner join met as m
                on m.account_id = l.account_id and m.asked_slot is not distinct from l.slot
            where (select min(y.currency) <> max(y.currency) from met as y)
            group by l.ordinal, m.currency
            having sum(l.amount) <> 0
        )

        select
            l.ordinal, l.leg, l.account_id, l.amount, coalesce(l.held, 0) as adds_held,
            l.transaction_id, l.effective_on, m.slot, m.slots, m.posted, m.version, m.hash,
            m.currency, m.floor, m.ceiling, m.cap, m.at_row, m.moment,
            case
                when m.slots is null then 'account_not_found'
                when v_has_periods and exists (
                    select from ledger_private.period_locks as p
                    where
                        p.book_id = decide.book_id
                        and l.effective_on between p.from_date and p.to_date
                ) then 'period_locked'
                when l.ordinal in (select u.ordinal from unbalanced as u) then 'unbalanced'
                when m.status <> 'open' then 'account_' || m.status
            end as refusal,
            case when v_has_groups then array(
                select array_position(v_groups, g.group_id)
                from ledger_private.account_group_members as g
                where g.book_id = decide.book_id and g.account_id = l.account_id
            ) end as groups,
            e.turn is not null as is_last
        from unnest(decide.legs) as l
        inner join met as m
            on m.account_id = l.account_id and m.asked_slot is not distinct from l.slot
        cross join lateral (
            select case when v_holder and l.amount > 0 then l.leg + 1000 else l.leg end as turn
        ) as t
        left join (
            select
                y.ordinal,
                max(case when v_holder and y.amount > 0 then y.leg + 1000 else y.leg end) as turn
            from unnest(decide.legs) as y
            where v_has_groups
            group by y.ordinal
        ) as e on e.ordinal = l.ordinal and e.turn = t.turn
        -- A holder learns that her own money does not do before she learns of others' limits.
        order by l.ordinal, t.turn
    loop
        if v.ordinal <> v_ordinal then
            v_ordinal := v.ordinal;
            v_moment := v.moment;
            v_today := (v_moment at time zone 'UTC')::date;
            v_leg := 0;
            v_code := null;
            if v_has_groups then
                v_deltas := array_fill(0::numeric, array[cardinality(v_groups)]);
            end if;
        end if;
        continue when v_code is not null;

        v_before := coalesce(v_posted[v.at_row], v.posted);
        v_after := v_before + v.amount;
        v_code := case
            when v.refusal is not null then v.refusal
            when v_after - v.adds_held < v.floor and v.amount < v.adds_held
                then 'insufficient_funds'
            when v_after > v.ceiling and v.amount > 0 then 'limit_exceeded'
            when v_after not between -v.cap and v.cap then 'amount_out_of_range'
        end;

        if v_has_groups and v_code is null then
            foreach v_group in array v.groups loop
                v_deltas[v_group] := v_deltas[v_group] + v.amount - v.adds_held;
            end loop;
            if v.is_last then
                select min(g.n) into v_group
                from unnest(v_deltas, v_totals, v_floors)
                with ordinality as g (delta, total, floor, n)
                where g.delta < 0 and g.total + g.delta < g.floor;
                v_code := case when v_group is not null then 'group_floor' end;
                if v_code is null then
                    v_totals := array(
                        select g.total + g.delta
                        from unnest(v_totals, v_deltas) with ordinality as g (total, delta, n)
                        order by g.n
                    );
                end if;
            end if;
        end if;

        if v_code is null then
            v_version := coalesce(v_versions[v.at_row], v.version) + 1;
            -- The format, and why array_send, is told in sql/ledger_private/entries.sql.
            v_hash := sha256(
                '\x01'::bytea || coalesce(v_hashes[v.at_row], v.hash)
                || substr(array_send(array[
                    uuid_send(decide.book_id), uuid_send(v.account_id), int2send(v.slot),
                    int8send(v_version), uuid_send(v.transaction_id), int2send(v.leg),
                    int8send(v.amount), int8send(v_after), timestamptz_send(v.moment),
                    date_send(v.effective_on), convert_to(v.currency, 'UTF8')
                ]), 21)
            );
            if v_version = v.version + 1 then
                v_accounts[v.at_row] := v.account_id;
                v_slots[v.at_row] := v.slot;
            end if;
            if v.adds_held <> 0 then
                v_held[v.at_row] := v.adds_held;
            end if;
            v_leg := v_leg + 1;
            if decide.per_item then
                v_undo_rows[v_leg] := v.at_row;
                v_undo_hashes[v_leg] := v_hashes[v.at_row];
            end if;
            v_posted[v.at_row] := v_after;
            v_versions[v.at_row] := v_version;
            v_hashes[v.at_row] := v_hash;
            v_count := v_count + 1;
            v_lines[v_count] := row(
                v.ordinal, v.leg, v.account_id, v.transaction_id, v_version, v.amount, v_after,
                v.slot, v.slots,
                nullif(v.effective_on, v_today),
                v.currency, v_hash
            )::ledger_private.line;
            continue;
        end if;

        v_refusals := v_refusals + 1;
        v_refused[v_refusals] := v_ordinal;
        v_codes[v_refusals] := v_code;
        v_details[v_refusals] := jsonb_strip_nulls(case v_code
            when 'insufficient_funds' then jsonb_build_object(
                'account_id', v.account_id,
                'available', v_before - v.floor,
                'required', v.adds_held - v.amount
            )
            when 'limit_exceeded' then jsonb_build_object(
                'account_id', v.account_id,
                'max_balance', case when not v_holder then v.ceiling end,
                'balance', case when not v_holder then v_after end
            )
            when 'group_floor' then jsonb_build_object(
                'group_id', v_groups[v_group],
                'available',
                case when not v_holder then v_totals[v_group] - v_floors[v_group] end,
                'required', -v_deltas[v_group]
            )
            when 'period_locked' then jsonb_build_object('effective_on', v.effective_on)
            when 'unbalanced' then '{}'
            else jsonb_build_object('account_id', v.account_id)
        end);
        exit when not decide.per_item;
        while v_leg > 0 loop
            v_row := v_undo_rows[v_leg];
            v_posted[v_row] := v_posted[v_row] - v_lines[v_count].amount;
            v_versions[v_row] := v_versions[v_row] - 1;
            v_hashes[v_row] := v_undo_hashes[v_leg];
            v_leg := v_leg - 1;
            v_count := v_count - 1;
        end loop;
    end loop;

    v_decision.lines := v_lines[:v_count];
    v_decision.booked_at := v_moment;
    v_decision.accounts := v_accounts;
    v_decision.slots := v_slots;
    v_decision.posted := v_posted;
    v_decision.held := v_held;
    v_decision.versions := v_versions;
    v_decision.hashes := v_hashes;
    v_decision.refused := v_refused;
    v_decision.codes := v_codes;
    v_decision.details := v_details;
    return v_decision;
end;
$$;

comment on function ledger_private.decide is
$$Run postings over the locked balances, in item order, and hash their entries.

per_item: go on after a refusal; else stop at the first.$$;

revoke execute on function ledger_private.decide
from public, anon, authenticated, service_role;
