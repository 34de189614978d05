-- ledger_private.post_legs: one posting through the general engine. Guards, the claim of the key
-- and what is special about the kind of posting are its callers'; locks, decision and writing are
-- here. Called by the engine only.

create or replace function ledger_private.post_legs(
    book_id uuid,
    door ledger_private.door,
    receipt ledger.receipt,
    legs ledger_private.leg[],
    expect ledger.expectation[] default null
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_accounts uuid[] := array(select l.account_id from unnest(post_legs.legs) as l);
    v_legs ledger_private.leg[] := array(
        select row(
            1, coalesce(l.leg, l.n), l.account_id, l.slot, l.amount, coalesce(l.held, 0),
            (post_legs.receipt).transaction_id, (post_legs.receipt).effective_on
        )::ledger_private.leg
        from unnest(post_legs.legs) with ordinality as l (
            ordinal, leg, account_id, slot, amount, held, transaction_id, effective_on, n
        )
    );
    v_decision ledger_private.decision;
begin
    perform ledger_private.lock_posting(
        post_legs.book_id, post_legs.door, v_accounts, post_legs.expect
    );
    v_decision := ledger_private.decide(post_legs.book_id, post_legs.door, v_legs, false);
    if cardinality(v_decision.refused) > 0 then
        perform ledger_private.raise_error(v_decision.codes[1], v_decision.details[1]);
    end if;
    if not (post_legs.receipt).dry_run then
        perform ledger_private.write_lines(
            post_legs.book_id, post_legs.door, v_decision
        );
    end if;
    return ledger_private.mask_receipt(
        post_legs.door, ledger_private.lines_receipt(post_legs.receipt, v_decision.lines)
    );
end;
$$;

comment on function ledger_private.post_legs is
$$Lock, decide and write one posting; return its receipt.

receipt: from claim_transaction. legs: account, amount, held and slot are read; the rest is
filled in.$$;

revoke execute on function ledger_private.post_legs
from public, anon, authenticated, service_role;
