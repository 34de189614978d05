-- ledger_private.post_items: the engine behind post_transaction and post_transactions.
--
-- Set-based: one statement a table, whatever the number of items, and one pass over all legs. A
-- refused item is taken back by deleting its transaction's row, which nobody has seen; there is no
-- subtransaction for each.

create or replace function ledger_private.post_items(
    mode text,
    book_id uuid,
    transactions ledger.transaction_input[],
    expect ledger.expectation[],
    dry_run boolean
)
returns setof ledger.posting_result
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_per_item boolean := post_items.mode is not distinct from 'per_item';
    v_dry_run boolean := coalesce(post_items.dry_run, false);
    v_posted_at timestamptz;
    v_door ledger_private.door;
    v_items ledger_private.item[];
    v_legs ledger_private.leg[];
    v_accounts uuid[];
    v_decision ledger_private.decision;
    v_results ledger.posting_result[];
    v record;
begin
    perform ledger_private.check_argument(
        'transactions',
        coalesce(cardinality(post_items.transactions) between 1 and 10000, false),
        '1 to 10000 transactions'
    );
    v_items := ledger_private.inspect_items(post_items.transactions, case post_items.mode
        when 'single' then post_items.expect
    end);
    v_door := ledger_private.enter_book(
        post_items.book_id, 'holder', replay_key => v_items[1].idempotency_key
    );
    if v_door.role = 'holder' then
        v_items := ledger_private.deny_items(post_items.book_id, v_door.user_id, v_items);
    end if;
    v_posted_at := clock_timestamp();
    v_items := ledger_private.claim_items(
        post_items.book_id, v_door.user_id, v_items, v_posted_at, v_dry_run
    );
    -- A key that was used before has opened an archived book: for replays only.
    if v_door.archived and exists (
        select from unnest(v_items) as i where i.id is not null and i.code is null
    ) then
        perform ledger_private.raise_error(
            'book_archived', jsonb_build_object('book_id', post_items.book_id)
        );
    end if;
    if not v_per_item then
        select i.code, i.details, i.ordinal into v
        from unnest(v_items) as i
        where i.code is not null
        order by i.ordinal
        limit 1;
        if found then
            perform ledger_private.refuse_item(post_items.mode, v.code, v.details, v.ordinal);
        end if;
    end if;

    v_legs := array(
        select row(
            i.ordinal, l.leg, l.account_id, null, l.amount, 0, i.id,
            coalesce(i.effective_on, (now() at time zone 'UTC')::date)
        )::ledger_private.leg
        from unnest(v_items) as i
        cross join lateral unnest(i.entries) with ordinality as l (account_id, amount, leg)
        where i.code is null and i.id is not null
    );
    v_accounts := array(select distinct l.account_id from unnest(v_legs) as l);
    -- A call that only replays compares nothing: what was expected was compared then.
    perform ledger_private.lock_posting(
        post_items.book_id, v_door, v_accounts,
        case when cardinality(v_legs) > 0 then post_items.expect end
    );
    v_decision := ledger_private.decide(post_items.book_id, v_door, v_legs, v_per_item);
    if cardinality(v_decision.refused) > 0 and not v_per_item then
        perform ledger_private.refuse_item(
            post_items.mode, v_decision.codes[1], v_decision.details[1], v_decision.refused[1]
        );
    end if;
    if not v_dry_run then
        perform ledger_private.write_lines(post_items.book_id, v_door, v_decision);
        if cardinality(v_decision.refused) > 0 then
            delete from ledger_private.transactions as t
            using unnest(v_decision.refused) as r (ordinal)
            where t.book_id = post_items.book_id and t.id = v_items[r.ordinal].id;
        end if;
    end if;
    v_results := array(
        select case
            when v_door.role = 'holder' then row(
                r.ordinal, ledger_private.mask_receipt(v_door, r.receipt), r.error_code,
                r.error_details
            )::ledger.posting_result
            else r
        end
        from ledger_private.item_results(
            post_items.book_id, v_items, v_decision, v_posted_at, v_dry_run
        ) as r
        order by r.ordinal
    );
    if exists (select from unnest(v_items) as i where i.id is null and i.code is null) then
        return query select r.* from ledger_private.replayed_results(
            post_items.book_id, v_door, v_items, v_results, v_dry_run
        ) as r;
    else
        return query select r.* from unnest(v_results) as r;
    end if;
end;
$$;

comment on function ledger_private.post_items is
$$Post a batch: the engine of post_transaction (mode single) and post_transactions (atomic,
per_item).$$;

revoke execute on function ledger_private.post_items
from public, anon, authenticated, service_role;
grant execute on function ledger_private.post_items to authenticated, service_role;
