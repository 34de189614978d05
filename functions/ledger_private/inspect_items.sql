-- ledger_private.inspect_items: what is wrong with the items of a batch whatever the ledger says,
-- and their hashes and ids. Called by post_items only.
--
-- The hash is that of check_posting for post_transaction with the same arguments: an item may be
-- repeated on its own.

create or replace function ledger_private.inspect_items(
    transactions ledger.transaction_input[],
    expect ledger.expectation[]
)
returns ledger_private.item[]
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_max constant bigint := 9007199254740991;
    v_ids uuid[] := ledger_private.new_ids(cardinality(inspect_items.transactions));
    v_expect text := coalesce(' ' || nullif(inspect_items.expect, '{}')::text, '');
begin
    return array(
        select row(
            t.ordinal, v_ids[t.ordinal],
            case when t.idempotency_key is not null then sha256(convert_to(
                '1 post_transaction ' || t.entries::text || v_expect || ' ' || case
                    when t.has_words
                        then ledger_private.words(
                            t.effective_on, t.description, t.external_id, t.metadata
                        )
                    else '{}'
                end,
                'UTF8'
            )) end,
            coalesce(case when t.bad is not null then 'invalid_argument' end, t.code),
            coalesce(t.bad, case t.code
                when 'invalid_argument' then jsonb_build_object(
                    'argument', 'entries', 'reason', '2 to 1000 entries'
                )
                else '{}'
            end),
            t.entries, t.idempotency_key, t.effective_on, t.description, t.external_id, t.metadata
        )::ledger_private.item
        from (
            select
                x.*, w.has_words,
                case
                    when w.has_words or octet_length(x.idempotency_key) not between 1 and 255
                        then ledger_private.bad_argument(
                            x.idempotency_key, x.effective_on, x.description, x.external_id,
                            x.metadata
                        )
                end as bad,
                -- Two good entries pass at a glance; what is wrong with others takes a look at all.
                case
                    when
                        cardinality(x.entries) = 2
                        and x.entries[1].amount between -v_max and v_max
                        and x.entries[1].amount <> 0
                        and x.entries[2].amount between -v_max and v_max
                        and x.entries[1].account_id <> x.entries[2].account_id
                        then case
                            when x.entries[1].amount + x.entries[2].amount <> 0 then 'unbalanced'
                        end
                    else (
                        select case
                            when count(*) not between 2 and 1000 then 'invalid_argument'
                            when bool_or(
                                coalesce(
                                    l.amount = 0 or l.amount not between -v_max and v_max, true
                                )
                            ) then 'invalid_amount'
                            when bool_or(l.account_id is null) then 'account_not_found'
                            when count(distinct l.account_id) < count(*) then 'same_account'
                            when sum(l.amount) <> 0 then 'unbalanced'
                        end
                        from unnest(x.entries) as l
                    )
                end as code
            from unnest(inspect_items.transactions) with ordinality as x (
                entries, idempotency_key, effective_on, description, external_id, metadata,
                ordinal
            )
            cross join lateral (
                select num_nonnulls(
                    x.effective_on, x.description, x.external_id, x.metadata
                ) > 0 as has_words
            ) as w
        ) as t
        order by t.ordinal
    );
end;
$$;

comment on function ledger_private.inspect_items is
'Return the items of a batch with ids, request hashes, and what is wrong with their arguments.';

revoke execute on function ledger_private.inspect_items
from public, anon, authenticated, service_role;
