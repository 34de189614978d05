-- ledger_private.replayed_results: the results of a batch in which keys were used before. Called by
-- post_items only, where there are such items: most batches have none.
--
-- A replay shows the stored receipt. Where its key belongs to an earlier item of the same batch
-- that has no stored one (it was refused, or this is a dry run), it shows that item's result.

create or replace function ledger_private.replayed_results(
    book_id uuid,
    door ledger_private.door,
    items ledger_private.item[],
    results ledger.posting_result[],
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
    with kept as materialized (
        select
            r.*, i.idempotency_key, i.request_hash,
            i.id is null and i.code is null as replays
        from unnest(replayed_results.items) as i
        inner join unnest(replayed_results.results) as r on r.ordinal = i.ordinal
    )

    select
        k.ordinal,
        case
            when not k.replays then k.receipt
            else ledger_private.as_replay(
                replayed_results.door,
                case
                    when t.id is null then o.receipt
                    else ledger_private.receipt_of(replayed_results.book_id, t.id)
                end,
                replayed_results.dry_run
            )
        end,
        coalesce(k.error_code, o.error_code),
        coalesce(k.error_details, o.error_details)
    from kept as k
    left join ledger_private.transactions as t
        on k.replays
        and t.book_id = replayed_results.book_id
        and t.idempotency_key = k.idempotency_key
    left join kept as o
        on k.replays
        and t.id is null
        and not o.replays
        and o.idempotency_key = k.idempotency_key
        and o.request_hash = k.request_hash
    order by k.ordinal;
end;
$$;

comment on function ledger_private.replayed_results is
'Return the results of a batch with the receipts of its replays.';

revoke execute on function ledger_private.replayed_results
from public, anon, authenticated, service_role;
