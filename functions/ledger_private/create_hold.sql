-- ledger_private.create_hold: the engine behind ledger.create_hold.
--
-- A repeat is answered before state, funds and time are looked at: what cannot change is checked
-- first, then the row is inserted, then the rest. Only the giver is locked: that the receiver is
-- open is a courtesy, the capture will ask again.

create or replace function ledger_private.create_hold(
    book_id uuid,
    account_id uuid,
    to_account_id uuid,
    amount bigint,
    expires_at timestamptz,
    description text,
    metadata jsonb,
    id uuid
)
returns ledger.holds
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_max constant bigint := 9007199254740991;
    v_id uuid := coalesce(create_hold.id, ledger_private.new_id());
    v_door ledger_private.door;
    v_giver ledger_private.balances;
    v_taker ledger_private.balances;
    v_hash bytea;
    v_hold ledger.holds;
    v_code text;
begin
    if coalesce(create_hold.amount not between 1 and v_max, true) then
        perform ledger_private.raise_error(
            'invalid_amount', jsonb_build_object('amount', create_hold.amount)
        );
    elsif create_hold.account_id = create_hold.to_account_id then
        perform ledger_private.raise_error(
            'same_account', jsonb_build_object('account_id', create_hold.account_id)
        );
    end if;
    perform ledger_private.check_posting(
        'create_hold', null, null, null, create_hold.description, null, create_hold.metadata
    );
    perform ledger_private.check_argument(
        'expires_at',
        coalesce(
            create_hold.expires_at between '0001-01-01 00:00:00Z' and '9999-12-31 00:00:00Z', true
        ),
        'a moment from now to 9999-12-31'
    );
    v_hash := ledger_private.request_hash('create_hold', jsonb_build_object(
        'account_id', create_hold.account_id,
        'to_account_id', create_hold.to_account_id,
        'amount', create_hold.amount,
        -- Without the zone: it would be written in the session's.
        'expires_at', create_hold.expires_at at time zone 'UTC',
        'description', create_hold.description,
        'metadata', nullif(create_hold.metadata, '{}')::text
    ));
    v_door := ledger_private.enter_book(create_hold.book_id, 'holder');
    perform ledger_private.check_holder(
        create_hold.book_id, v_door,
        array[create_hold.account_id], array[create_hold.to_account_id]
    );

    select b.* into v_giver
    from ledger_private.balances as b
    where
        b.book_id = create_hold.book_id and b.account_id = create_hold.account_id and b.slot = 0;
    select b.* into v_taker
    from ledger_private.balances as b
    where
        b.book_id = create_hold.book_id and b.account_id = create_hold.to_account_id and b.slot = 0;
    if v_giver.slots is null or v_taker.slots is null then
        perform ledger_private.raise_error('account_not_found', jsonb_build_object(
            'account_id',
            case
                when v_giver.slots is null then create_hold.account_id
                else create_hold.to_account_id
            end
        ));
    elsif v_giver.currency <> v_taker.currency then
        perform ledger_private.raise_error('currency_mismatch', jsonb_build_object(
            'from', v_giver.currency, 'to', v_taker.currency
        ));
    end if;
    perform ledger_private.check_argument(
        'account_id', v_giver.slots = 1, 'an account with one slot'
    );

    if v_door.has_groups then
        perform ledger_private.lock_groups(create_hold.book_id, array[create_hold.account_id]);
    end if;
    perform ledger_private.lock_accounts(create_hold.book_id, array[create_hold.account_id]);
    begin
        insert into ledger_private.holds (
            book_id, id, account_id, to_account_id, amount, expires_at, description, metadata,
            created_by, request_hash
        )
        values (
            create_hold.book_id, v_id, create_hold.account_id, create_hold.to_account_id,
            create_hold.amount, create_hold.expires_at, create_hold.description,
            coalesce(create_hold.metadata, '{}'), v_door.user_id, v_hash
        )
        on conflict on constraint holds_pkey do nothing;
    exception when lock_not_available then
        perform ledger_private.raise_error('busy', jsonb_build_object('id', v_id));
    end;
    if found then
        select b.* into v_giver
        from ledger_private.balances as b
        where
            b.book_id = create_hold.book_id
            and b.account_id = create_hold.account_id
            and b.slot = 0;
        v_code := case
            when v_giver.status <> 'open' then 'account_' || v_giver.status
            when v_taker.status <> 'open' then 'account_' || v_taker.status
            when create_hold.expires_at <= clock_timestamp() then 'invalid_argument'
            when v_giver.posted - v_giver.held - v_giver.min_balance < create_hold.amount
                then 'insufficient_funds'
            when v_giver.held + create_hold.amount > v_max then 'amount_out_of_range'
        end;
        if v_code is not null then
            perform ledger_private.raise_error(v_code, case v_code
                when 'invalid_argument' then jsonb_build_object(
                    'argument', 'expires_at', 'reason', 'a moment in the future'
                )
                when 'insufficient_funds' then jsonb_build_object(
                    'account_id', create_hold.account_id,
                    'available', v_giver.posted - v_giver.held - v_giver.min_balance,
                    'required', create_hold.amount
                )
                else jsonb_build_object('account_id', case
                    when v_giver.status <> 'open' or v_code = 'amount_out_of_range'
                        then create_hold.account_id
                    else create_hold.to_account_id
                end)
            end);
        end if;
        if v_door.has_groups then
            perform ledger_private.check_groups(
                create_hold.book_id, v_door,
                array[create_hold.account_id], array[-create_hold.amount]
            );
        end if;

        update ledger_private.balances as b
        set held = b.held + create_hold.amount
        where
            b.book_id = create_hold.book_id
            and b.account_id = create_hold.account_id
            and b.slot = 0;
    end if;

    select v.* into v_hold
    from ledger.holds as v
    inner join ledger_private.holds as h on h.book_id = v.book_id and h.id = v.id
    where v.book_id = create_hold.book_id and v.id = v_id and h.request_hash = v_hash;
    if not found then
        perform ledger_private.raise_error('idempotency_mismatch', jsonb_build_object('id', v_id));
    end if;
    return v_hold;
end;
$$;

comment on function ledger_private.create_hold is
'Set money aside: the engine of ledger.create_hold. amount in minor units.';

revoke execute on function ledger_private.create_hold
from public, anon, authenticated, service_role;
grant execute on function ledger_private.create_hold to authenticated, service_role;
