-- ledger_private.item_results: what a batch has made of its items. Called by post_items only, after
-- everything is written.

create or replace function ledger_private.item_results(
    book_id uuid,
    items ledger_private.item[],
    decision ledger_private.decision,
    posted_at timestamptz,
    dry_run boolean
)
returns setof ledger.posting_result
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    return query
    select
        i.ordinal,
        case when p.entries is not null then row(
            case when not item_results.dry_run then i.id end, item_results.book_id,
            'transaction', item_results.posted_at,
            coalesce(i.effective_on, (now() at time zone 'UTC')::date),
            false, item_results.dry_run, p.entries
        )::ledger.receipt end,
        coalesce(i.code, r.code),
        case when i.code is null then r.details else i.details end
    from unnest(item_results.items) as i
    left join (
        select
            l.ordinal,
            array_agg(row(
                l.account_id, l.amount,
                case when l.slots = 1 then l.balance_after end,
                case when l.slots = 1 then l.version end
            )::ledger.receipt_entry order by l.leg) as entries
        from unnest((item_results.decision).lines) as l
        group by l.ordinal
    ) as p on p.ordinal = i.ordinal
    left join unnest(
        (item_results.decision).refused,
        (item_results.decision).codes,
        (item_results.decision).details
    ) as r (ordinal, code, details) on r.ordinal = i.ordinal;
end;
$$;

comment on function ledger_private.item_results is
'Return the result of each item of a batch; nothing for replays.';

revoke execute on function ledger_private.item_results
from public, anon, authenticated, service_role;
