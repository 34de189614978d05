-- ledger_private.check_expectations: what the caller has read and decided by, compared under the
-- locks. Called by the engine only, after lock_accounts with the accounts of the expectations.

create or replace function ledger_private.check_expectations(
    book_id uuid,
    door ledger_private.door,
    expect ledger.expectation[]
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v record;
begin
    for v in
        select
            x.*, b.posted, b.version as is_version,
            b.posted - b.held - b.min_balance as available,
            case
                when
                    x.account_id is null
                    or num_nonnulls(x.version, x.available_gte, x.posted_eq) = 0
                    then 'invalid_argument'
                when
                    b.account_id is null
                    or (
                        (check_expectations.door).role = 'holder'
                        and not exists (
                            select from ledger_private.account_holders as h
                            where
                                h.book_id = b.book_id
                                and h.account_id = b.account_id
                                and h.user_id = (check_expectations.door).user_id
                        )
                    ) then 'account_not_found'
                when b.slots > 1 then 'invalid_argument'
                when
                    b.version <> x.version
                    or b.posted <> x.posted_eq
                    -- Without a floor everything is available.
                    or b.posted - b.held - b.min_balance < x.available_gte then 'version_conflict'
            end as refusal
        from unnest(check_expectations.expect) with ordinality as x (
            account_id, version, available_gte, posted_eq, ordinal
        )
        left join ledger_private.balances as b
            on b.book_id = check_expectations.book_id and b.account_id = x.account_id
            and b.slot = 0
        order by x.ordinal
    loop
        continue when v.refusal is null;
        perform ledger_private.raise_error(v.refusal, case v.refusal
            when 'invalid_argument' then jsonb_build_object(
                'argument', 'expect',
                'reason', 'each an account of one slot and a condition'
            )
            when 'account_not_found' then jsonb_build_object('account_id', v.account_id)
            else jsonb_build_object(
                'account_id', v.account_id,
                'version', v.is_version,
                'posted', v.posted,
                'available', v.available
            )
        end);
    end loop;
end;
$$;

comment on function ledger_private.check_expectations is
'Raise version_conflict unless every expectation holds.';

revoke execute on function ledger_private.check_expectations
from public, anon, authenticated, service_role;
