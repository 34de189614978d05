-- ledger_private.claim_items: the rows of a batch, level 1 of the global order: sorted by key, in
-- one statement. Called by post_items only, after enter_book.
--
-- What is not claimed has a key that was used before, in the ledger or earlier in the batch: its id
-- is taken away, which makes it a replay, or it is refused as a mismatch. A dry run writes nothing.

create or replace function ledger_private.claim_items(
    book_id uuid,
    user_id uuid,
    items ledger_private.item[],
    posted_at timestamptz,
    dry_run boolean
)
returns ledger_private.item[]
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_claimed uuid[];
begin
    if not claim_items.dry_run then
        with claimed as (
            insert into ledger_private.transactions as t (
                book_id, id, kind, effective_on, posted_at, description, idempotency_key,
                request_hash, external_id, metadata, created_by
            )
            select
                claim_items.book_id, i.id, 'transaction',
                coalesce(i.effective_on, (now() at time zone 'UTC')::date),
                claim_items.posted_at, i.description, i.idempotency_key, i.request_hash,
                i.external_id, coalesce(i.metadata, '{}'), claim_items.user_id
            from unnest(claim_items.items) as i
            where i.code is null
            order by i.idempotency_key collate "C", i.ordinal
            on conflict (book_id, idempotency_key) where idempotency_key is not null do nothing
            returning t.id
        )

        select array_agg(c.id) into v_claimed
        from claimed as c;
        if cardinality(v_claimed) = cardinality(claim_items.items) then
            return claim_items.items;
        end if;
    end if;

    return array(
        select row(
            i.ordinal, case when s.is_first and s.stored is null then i.id end, i.request_hash,
            coalesce(
                i.code,
                case when s.hash <> i.request_hash then 'idempotency_mismatch' end
            ),
            case
                when i.code is null and s.hash <> i.request_hash
                    then jsonb_build_object('idempotency_key', i.idempotency_key)
                else i.details
            end,
            i.entries, i.idempotency_key, i.effective_on, i.description, i.external_id, i.metadata
        )::ledger_private.item
        from unnest(claim_items.items) as i
        inner join (
            select
                x.ordinal,
                t.id as stored,
                coalesce(t.request_hash, first_value(x.request_hash) over same_key) as hash,
                row_number() over same_key = 1 as is_first
            from unnest(claim_items.items) as x
            left join unnest(v_claimed) as c (id) on c.id = x.id
            left join ledger_private.transactions as t
                on t.book_id = claim_items.book_id and t.idempotency_key = x.idempotency_key
                and t.id <> x.id
            window same_key as (
                partition by coalesce(x.idempotency_key, x.id::text)
                order by c.id is null, x.code is not null, x.ordinal
            )
        ) as s on s.ordinal = i.ordinal
        order by i.ordinal
    );
exception when lock_not_available then
    perform ledger_private.raise_error(
        'busy', jsonb_build_object('book_id', claim_items.book_id)
    );
    return null;
end;
$$;

comment on function ledger_private.claim_items is
'Insert the transactions of a batch whose keys are free; return the items, the others without id.';

revoke execute on function ledger_private.claim_items
from public, anon, authenticated, service_role;
