-- ledger_private.post_transfer: the engine behind ledger.transfer and its two sisters.
--
-- Guard, lock, check, write, return. Locks in the global order: the book, the transaction's row
-- (its key is the lock between duplicates), groups, the two balance rows sorted by account. What is
-- checked is in the locked rows themselves, or is read after the locks in a later statement. A
-- stronger level works too, and may end in 40001.
--
-- The general engine (post_legs) could do this as well, for three times the work: this is the call
-- that is made all day. Few statements on purpose: PL/pgSQL sets each up anew in each transaction,
-- which costs more than what most of them do. So the locked rows are only asked whether all is
-- well, and refuse_transfer finds out what is not. enable_seqscan is off because a session keeps
-- the plans that it made while the tables were small.

create or replace function ledger_private.post_transfer(
    function_name text,
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint,
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb,
    expect ledger.expectation[],
    dry_run boolean
)
returns ledger.receipt
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
-- on conflict names a column as a parameter is named; parameters are qualified everywhere.
#variable_conflict use_column
declare
    v_max constant bigint := 9007199254740991;
    v_from_id constant uuid := post_transfer.from_account_id;
    v_to_id constant uuid := post_transfer.to_account_id;
    v_amount bigint := post_transfer.amount;
    v_door ledger_private.door;
    v_receipt ledger.receipt;
    v_hash bytea;
    v_code text;
    v_booked_at timestamptz;
    v_fits boolean;
begin
    v_code := case
        when coalesce(v_amount not between 1 and v_max, true) then 'invalid_amount'
        when v_from_id = v_to_id then 'same_account'
        when v_from_id is null or v_to_id is null then 'account_not_found'
    end;
    if v_code is not null then
        perform ledger_private.raise_error(v_code, jsonb_build_object(
            case v_code when 'invalid_amount' then 'amount' else 'account_id' end,
            case v_code when 'invalid_amount' then to_jsonb(v_amount) else to_jsonb(v_to_id) end
        ));
    end if;
    v_hash := ledger_private.check_posting(
        post_transfer.function_name,
        concat_ws(' ', v_from_id, v_to_id, v_amount, nullif(post_transfer.expect, '{}')),
        post_transfer.idempotency_key, post_transfer.effective_on, post_transfer.description,
        post_transfer.external_id, post_transfer.metadata
    );
    v_door := ledger_private.enter_book(
        post_transfer.book_id, 'holder', replay_key => post_transfer.idempotency_key
    );

    if v_door.role = 'holder' then
        perform ledger_private.check_holder(
            post_transfer.book_id, v_door, array[v_from_id], array[v_to_id]
        );
    end if;

    begin
        if post_transfer.dry_run then
            v_receipt := ledger_private.claim_transaction(
                post_transfer.book_id, v_door, 'transfer', post_transfer.idempotency_key, v_hash,
                post_transfer.effective_on, null, null, null, null, true
            );
        else
            -- As claim_transaction does, without the call.
            insert into ledger_private.transactions as t (
                book_id, id, kind, effective_on, description, idempotency_key, request_hash,
                external_id, metadata, created_by
            )
            values (
                post_transfer.book_id, ledger_private.new_id(), 'transfer',
                coalesce(post_transfer.effective_on, (now() at time zone 'UTC')::date),
                post_transfer.description, post_transfer.idempotency_key, v_hash,
                post_transfer.external_id, coalesce(post_transfer.metadata, '{}'), v_door.user_id
            )
            on conflict (book_id, idempotency_key) where idempotency_key is not null do nothing
            returning
                t.id, t.book_id, t.kind, t.posted_at, t.effective_on, false, false,
                null::ledger.receipt_entry[]
            into v_receipt;
            if not found then
                v_receipt := ledger_private.replay(
                    post_transfer.book_id, v_door, post_transfer.idempotency_key, v_hash
                );
            end if;
        end if;
        if v_receipt.replayed then
            return v_receipt;
        end if;

        if v_door.has_periods then
            perform ledger_private.check_period(
                post_transfer.book_id, v_door, v_receipt.effective_on
            );
        end if;
        if
            v_door.has_groups
            and (
                post_transfer.function_name <> 'transfer_serializable'
                or current_setting('transaction_isolation') <> 'serializable'
            )
        then
            perform ledger_private.lock_groups(
                post_transfer.book_id, array[v_from_id, v_to_id]
            );
        end if;
        if cardinality(post_transfer.expect) > 0 then
            perform ledger_private.lock_expected(
                post_transfer.book_id, v_door, array[v_from_id, v_to_id], post_transfer.expect
            );
        end if;

        if post_transfer.function_name = 'transfer_up_to' then
            v_amount := ledger_private.available_up_to(
                post_transfer.book_id, v_from_id, v_to_id, v_amount
            );
        end if;

        -- A filter of the aggregate, not of the rows: Postgres would push that below the lock, and
        -- leave out by what was there before it.
        select
            min(l.currency) = max(l.currency)
            and count(*) filter (
                where l.status = 'open'
                and case
                    when l.account_id = v_to_id then
                        l.posted + v_amount <= coalesce(l.max_balance, v_max / l.slots)
                    when l.min_balance is null then l.posted - v_amount >= -v_max / l.slots
                    else l.posted - l.held - l.min_balance >= v_amount
                end
            ) = 2,
            greatest(clock_timestamp(), max(l.booked_at))
        into v_fits, v_booked_at
        from (
            select
                b.account_id, b.posted, b.held, b.booked_at, b.slots, b.min_balance,
                b.max_balance, b.currency, b.status
            from ledger_private.balances as b
            where
                b.book_id = post_transfer.book_id
                and b.account_id in (v_from_id, v_to_id)
                and b.slot = mod(pg_backend_pid(), b.slots)
            order by b.account_id, b.slot
            for no key update
        ) as l;

        if v_fits is not true then
            perform ledger_private.refuse_transfer(
                post_transfer.book_id, v_door, v_from_id, v_to_id, v_amount
            );
        end if;
        if v_door.has_groups then
            perform ledger_private.check_groups(
                post_transfer.book_id, v_door,
                array[v_from_id, v_to_id], array[-v_amount, v_amount], post_transfer.dry_run
            );
        end if;
        if post_transfer.dry_run then
            v_receipt.entries := ledger_private.preview_transfer(
                post_transfer.book_id, v_from_id, v_to_id, v_amount
            );
            return ledger_private.mask_receipt(v_door, v_receipt);
        end if;

        with changed as (
            update ledger_private.balances as b
            set
                posted
                = b.posted + case when b.account_id = v_to_id then v_amount else -v_amount end,
                version = b.version + 1,
                booked_at = v_booked_at,
                -- The format, and why array_send, is told in sql/ledger_private/entries.sql.
                hash = sha256('\x01'::bytea || b.hash || substr(array_send(array[
                    uuid_send(b.book_id), uuid_send(b.account_id), int2send(b.slot),
                    int8send(b.version + 1), uuid_send(v_receipt.transaction_id),
                    int2send(case when b.account_id = v_to_id then 2 else 1 end::smallint),
                    int8send(case when b.account_id = v_to_id then v_amount else -v_amount end),
                    int8send(
                        b.posted + case when b.account_id = v_to_id then v_amount else -v_amount end
                    ),
                    timestamptz_send(v_booked_at), date_send(v_receipt.effective_on),
                    convert_to(b.currency, 'UTF8')
                ]), 21))
            where
                b.book_id = post_transfer.book_id
                and b.account_id in (v_from_id, v_to_id)
                and b.slot = mod(pg_backend_pid(), b.slots)
            returning
                b.account_id, b.slot, b.slots, b.version, b.posted, b.hash, b.currency,
                case when b.account_id = v_to_id then 2 else 1 end as leg,
                case when b.account_id = v_to_id then v_amount else -v_amount end as amount
        ),

        written as (
            insert into ledger_private.entries (
                book_id, account_id, transaction_id, version, amount, balance_after, booked_at,
                slot, leg, hash, dated, currency
            )
            select
                post_transfer.book_id, c.account_id, v_receipt.transaction_id, c.version, c.amount,
                c.posted, v_booked_at, c.slot, c.leg, c.hash,
                nullif(v_receipt.effective_on, (v_booked_at at time zone 'UTC')::date), c.currency
            from changed as c
        )

        select array_agg(
            row(
                c.account_id, c.amount,
                case c.slots when 1 then c.posted end, case c.slots when 1 then c.version end
            )::ledger.receipt_entry order by c.leg
        )
        into v_receipt.entries
        from changed as c;

        if v_receipt.effective_on <> (v_booked_at at time zone 'UTC')::date then
            perform ledger_private.shift_value(
                post_transfer.book_id, array[v_receipt.transaction_id]
            );
        end if;
    exception when lock_not_available then
        perform ledger_private.raise_error('busy', jsonb_build_object(
            'from_account_id', v_from_id, 'to_account_id', v_to_id
        ));
    end;
    if v_door.role = 'holder' then
        return ledger_private.mask_receipt(v_door, v_receipt);
    end if;
    return v_receipt;
end;
$$;

comment on function ledger_private.post_transfer is
$$Move money between two accounts of a book: the engine of transfer, transfer_up_to and
transfer_serializable, told apart by function_name. Amounts in minor units.$$;

revoke execute on function ledger_private.post_transfer
from public, anon, authenticated, service_role;
grant execute on function ledger_private.post_transfer to authenticated, service_role;
