-- ledger_private.post_transfer: the engine behind ledger.transfer.
--
-- Guard, lock, check, write, return. Locks in the global order: the book, the transaction's row
-- (its key is the lock between duplicates), the two balance rows sorted by account. What is checked
-- is read after the locks, in a later statement: at read committed that is a new snapshot, so
-- nobody can have changed it since. A stronger level works too, and may end in 40001.
--
-- A replay is answered before the state of the book or of the accounts is looked at: the money
-- moved then, whatever has been closed since.
--
-- Few statements on purpose: PL/pgSQL sets each expression up anew in each transaction, so a list
-- of IFs costs more than one CASE. enable_seqscan is off because a session keeps the plans that it
-- made while the tables were small.
--
-- Tests   tests/integration/ledger/test_transfer.py

create or replace function ledger_private.post_transfer(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint,
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
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
    v_user uuid;
    v_request_hash bytea;
    v_receipt ledger.receipt;
    v_free bigint;
    v_to_posted bigint;
    v_booked_at timestamptz;
    v record;
begin
    if coalesce(post_transfer.amount not between 1 and v_max, true) then
        perform ledger_private.raise_error(
            'invalid_amount', jsonb_build_object('amount', post_transfer.amount)
        );
    elsif post_transfer.from_account_id = post_transfer.to_account_id then
        perform ledger_private.raise_error(
            'same_account', jsonb_build_object('account_id', post_transfer.to_account_id)
        );
    end if;
    v_request_hash := ledger_private.check_posting(
        'transfer',
        concat_ws(
            ' ',
            post_transfer.from_account_id, post_transfer.to_account_id, post_transfer.amount
        ),
        post_transfer.idempotency_key, post_transfer.effective_on, post_transfer.description,
        post_transfer.external_id, post_transfer.metadata
    );
    v_user := ledger_private.enter_book(
        post_transfer.book_id, 'editor', replay_key => post_transfer.idempotency_key
    );

    begin
        insert into ledger_private.transactions as t (
            book_id, id, kind, effective_on, description, idempotency_key, request_hash,
            external_id, metadata, created_by
        )
        values (
            post_transfer.book_id, ledger_private.new_id(), 'transfer',
            coalesce(post_transfer.effective_on, (now() at time zone 'UTC')::date),
            post_transfer.description, post_transfer.idempotency_key, v_request_hash,
            post_transfer.external_id, coalesce(post_transfer.metadata, '{}'), v_user
        )
        on conflict (book_id, idempotency_key) where idempotency_key is not null do nothing
        returning
            t.id, t.book_id, t.kind, t.posted_at, t.effective_on, false, false,
            null::ledger.receipt_entry[]
        into v_receipt;

        if v_receipt.transaction_id is null then
            return ledger_private.replay(
                post_transfer.book_id, post_transfer.idempotency_key, v_request_hash
            );
        end if;

        select
            min(l.posted - l.held) filter (where l.account_id = post_transfer.from_account_id),
            min(l.posted) filter (where l.account_id = post_transfer.to_account_id),
            greatest(clock_timestamp(), max(l.booked_at))
        into v_free, v_to_posted, v_booked_at
        from (
            select b.account_id, b.posted, b.held, b.booked_at
            from ledger_private.balances as b
            where
                b.book_id = post_transfer.book_id
                and b.account_id in (post_transfer.from_account_id, post_transfer.to_account_id)
                and b.slot = 0
            order by b.account_id, b.slot
            for no key update
        ) as l;

        select
            fa.status as from_status,
            fa.currency,
            ta.currency as to_currency,
            v_free - fa.min_balance as available,
            ta.max_balance,
            case
                when fa.id is null or ta.id is null then 'account_not_found'
                when fa.status <> 'open' then 'account_' || fa.status
                when ta.status <> 'open' then 'account_' || ta.status
                when fa.currency <> ta.currency then 'currency_mismatch'
                when v_free - fa.min_balance < post_transfer.amount then 'insufficient_funds'
                when v_to_posted + post_transfer.amount > ta.max_balance then 'limit_exceeded'
                when
                    v_free - post_transfer.amount < -v_max
                    or v_to_posted + post_transfer.amount > v_max then 'amount_out_of_range'
            end as refusal
        into v
        from (select) as one
        left join ledger_private.accounts as fa
            on fa.book_id = post_transfer.book_id and fa.id = post_transfer.from_account_id
        left join ledger_private.accounts as ta
            on ta.book_id = post_transfer.book_id and ta.id = post_transfer.to_account_id;

        if v.refusal is not null then
            perform ledger_private.raise_error(v.refusal, case v.refusal
                when 'currency_mismatch' then jsonb_build_object(
                    'from', v.currency, 'to', v.to_currency
                )
                when 'insufficient_funds' then jsonb_build_object(
                    'account_id', post_transfer.from_account_id,
                    'available', v.available,
                    'required', post_transfer.amount
                )
                when 'limit_exceeded' then jsonb_build_object(
                    'account_id', post_transfer.to_account_id,
                    'max_balance', v.max_balance,
                    'balance', v_to_posted + post_transfer.amount
                )
                else jsonb_build_object('account_id', case
                    when v.from_status is distinct from 'open'
                        or v_free - post_transfer.amount < -v_max
                        then post_transfer.from_account_id
                    else post_transfer.to_account_id
                end)
            end);
        end if;

        with changed as (
            update ledger_private.balances as b
            set
                posted = b.posted + s.amount,
                version = b.version + 1,
                booked_at = v_booked_at,
                -- The format, and why array_send, is told in sql/ledger_private/entries.sql.
                hash = sha256('\x01'::bytea || b.hash || substr(array_send(array[
                    uuid_send(b.book_id), uuid_send(b.account_id), int2send(b.slot),
                    int8send(b.version + 1), uuid_send(v_receipt.transaction_id), int2send(s.leg),
                    int8send(s.amount), int8send(b.posted + s.amount),
                    timestamptz_send(v_booked_at), date_send(v_receipt.effective_on),
                    convert_to(v.currency, 'UTF8')
                ]), 21))
            from
                (values
                (post_transfer.from_account_id, 1::smallint, -post_transfer.amount),
                (post_transfer.to_account_id, 2::smallint, post_transfer.amount)
                ) as s (account_id, leg, amount)
            where
                b.book_id = post_transfer.book_id
                and b.account_id in (post_transfer.from_account_id, post_transfer.to_account_id)
                and b.slot = 0
                and b.account_id = s.account_id
            returning b.book_id, b.account_id, b.slot, b.version, b.posted, b.hash, s.leg, s.amount
        ),

        written as (
            insert into ledger_private.entries (
                book_id, account_id, slot, version, transaction_id, leg, amount, balance_after,
                booked_at, hash
            )
            select
                c.book_id, c.account_id, c.slot, c.version, v_receipt.transaction_id, c.leg,
                c.amount, c.posted, v_booked_at, c.hash
            from changed as c
        )

        select array_agg(
            row(c.account_id, c.amount, c.posted, c.version)::ledger.receipt_entry order by c.leg
        )
        into v_receipt.entries
        from changed as c;
    exception when lock_not_available then
        perform ledger_private.raise_error('busy', jsonb_build_object(
            'from_account_id', post_transfer.from_account_id,
            'to_account_id', post_transfer.to_account_id
        ));
    end;
    return v_receipt;
end;
$$;

comment on function ledger_private.post_transfer is
$$Move money between two accounts of a book: the engine of ledger.transfer. Amounts in minor
units.$$;

revoke execute on function ledger_private.post_transfer
from public, anon, authenticated, service_role;
grant execute on function ledger_private.post_transfer to authenticated, service_role;
