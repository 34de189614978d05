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
set search_path = ''
set enable_seqscan = off
as $$
-- on conflict names a column as a parameter is named; parameters are qualified everywhere.
#variable_conflict use_column
declare
    v_max constant bigint := 9007199254740991;
    v_user uuid;
    v_bad_argument text;
    v_request_hash bytea;
    v_id uuid := ledger_private.new_id();
    v_posted_at timestamptz;
    v_effective_on date := coalesce(post_transfer.effective_on, (now() at time zone 'UTC')::date);
    v_booked_at timestamptz;
    v_accounts record;
    v_from_hash bytea;
    v_to_hash bytea;
begin
    if post_transfer.amount is null or post_transfer.amount not between 1 and v_max then
        perform ledger_private.raise_error(
            'invalid_amount', jsonb_build_object('amount', post_transfer.amount)
        );
    elsif post_transfer.from_account_id = post_transfer.to_account_id then
        perform ledger_private.raise_error(
            'same_account', jsonb_build_object('account_id', post_transfer.to_account_id)
        );
    end if;
    v_bad_argument := ledger_private.bad_posting_argument(
        post_transfer.idempotency_key, post_transfer.effective_on, post_transfer.description,
        post_transfer.external_id, post_transfer.metadata
    );
    if v_bad_argument is not null then
        perform ledger_private.raise_error(
            'invalid_argument', jsonb_build_object('argument', v_bad_argument)
        );
    end if;

    v_user := ledger_private.enter_book(post_transfer.book_id, 'editor', allow_archived => true);

    if post_transfer.idempotency_key is not null then
        v_request_hash := ledger_private.request_hash('transfer', jsonb_build_object(
            'from_account_id', post_transfer.from_account_id,
            'to_account_id', post_transfer.to_account_id,
            'amount', post_transfer.amount,
            'effective_on', post_transfer.effective_on,
            'description', post_transfer.description,
            'external_id', post_transfer.external_id,
            'metadata', nullif(post_transfer.metadata, '{}')::text
        ));
    end if;

    begin
        insert into ledger_private.transactions as t (
            book_id, id, kind, effective_on, description, idempotency_key, request_hash, external_id, metadata, created_by
        )
        values (
            post_transfer.book_id, v_id, 'transfer', v_effective_on, post_transfer.description,
            post_transfer.idempotency_key, v_request_hash, post_transfer.external_id,
            coalesce(post_transfer.metadata, '{}'), v_user
        )
        on conflict (book_id, idempotency_key) where idempotency_key is not null do nothing
        returning t.posted_at into v_posted_at;

        if v_posted_at is null then
            return ledger_private.replay(
                post_transfer.book_id, post_transfer.idempotency_key, v_request_hash
            );
        end if;

        perform
        from ledger_private.balances as b
        where
            b.book_id = post_transfer.book_id
            and b.account_id in (post_transfer.from_account_id, post_transfer.to_account_id)
            and b.slot = 0
        order by b.account_id, b.slot
        for no key update;
    exception when lock_not_available then
        perform ledger_private.raise_error('busy', jsonb_build_object(
            'from_account_id', post_transfer.from_account_id, 'to_account_id', post_transfer.to_account_id
        ));
    end;

    select
        k.archived_at is not null as archived,
        fa.id as from_id, fa.status as from_status, fa.currency, fa.min_balance,
        fb.posted as from_posted, fb.held as from_held, fb.version as from_version, fb.hash as from_hash,
        fb.booked_at as from_booked_at,
        ta.id as to_id, ta.status as to_status, ta.currency as to_currency, ta.max_balance,
        tb.posted as to_posted, tb.version as to_version, tb.hash as to_hash, tb.booked_at as to_booked_at
    into v_accounts
    from ledger_private.books as k
    left join ledger_private.accounts as fa
        on fa.book_id = k.id and fa.id = post_transfer.from_account_id
    left join ledger_private.balances as fb
        on fb.book_id = k.id and fb.account_id = post_transfer.from_account_id and fb.slot = 0
    left join ledger_private.accounts as ta
        on ta.book_id = k.id and ta.id = post_transfer.to_account_id
    left join ledger_private.balances as tb
        on tb.book_id = k.id and tb.account_id = post_transfer.to_account_id and tb.slot = 0
    where k.id = post_transfer.book_id;

    if v_accounts.archived then
        perform ledger_private.raise_error(
            'book_archived', jsonb_build_object('book_id', post_transfer.book_id)
        );
    elsif v_accounts.from_id is null then
        perform ledger_private.raise_error(
            'account_not_found', jsonb_build_object('account_id', post_transfer.from_account_id)
        );
    elsif v_accounts.to_id is null then
        perform ledger_private.raise_error(
            'account_not_found', jsonb_build_object('account_id', post_transfer.to_account_id)
        );
    elsif v_accounts.from_status <> 'open' then
        perform ledger_private.raise_error(
            'account_' || v_accounts.from_status, jsonb_build_object('account_id', v_accounts.from_id)
        );
    elsif v_accounts.to_status <> 'open' then
        perform ledger_private.raise_error(
            'account_' || v_accounts.to_status, jsonb_build_object('account_id', v_accounts.to_id)
        );
    elsif v_accounts.currency <> v_accounts.to_currency then
        perform ledger_private.raise_error(
            'currency_mismatch', jsonb_build_object('from', v_accounts.currency, 'to', v_accounts.to_currency)
        );
    elsif v_accounts.from_posted - v_accounts.from_held - post_transfer.amount < v_accounts.min_balance then
        perform ledger_private.raise_error('insufficient_funds', jsonb_build_object(
            'account_id', v_accounts.from_id,
            'available', v_accounts.from_posted - v_accounts.from_held - v_accounts.min_balance,
            'required', post_transfer.amount
        ));
    elsif v_accounts.to_posted + post_transfer.amount > v_accounts.max_balance then
        perform ledger_private.raise_error('limit_exceeded', jsonb_build_object(
            'account_id', v_accounts.to_id,
            'max_balance', v_accounts.max_balance,
            'balance', v_accounts.to_posted + post_transfer.amount
        ));
    elsif v_accounts.from_posted - post_transfer.amount < -v_max then
        perform ledger_private.raise_error(
            'amount_out_of_range', jsonb_build_object('account_id', v_accounts.from_id)
        );
    elsif v_accounts.to_posted + post_transfer.amount > v_max then
        perform ledger_private.raise_error(
            'amount_out_of_range', jsonb_build_object('account_id', v_accounts.to_id)
        );
    end if;

    v_booked_at := greatest(clock_timestamp(), v_accounts.from_booked_at, v_accounts.to_booked_at);
    v_from_hash := ledger_private.entry_hash(
        v_accounts.from_hash, post_transfer.book_id, v_accounts.from_id, 0::smallint, v_accounts.from_version + 1,
        v_id, 1::smallint, -post_transfer.amount, v_accounts.from_posted - post_transfer.amount,
        v_booked_at, v_effective_on, v_accounts.currency
    );
    v_to_hash := ledger_private.entry_hash(
        v_accounts.to_hash, post_transfer.book_id, v_accounts.to_id, 0::smallint, v_accounts.to_version + 1,
        v_id, 2::smallint, post_transfer.amount, v_accounts.to_posted + post_transfer.amount,
        v_booked_at, v_effective_on, v_accounts.currency
    );

    update ledger_private.balances as b
    set
        posted = b.posted + case b.account_id when v_accounts.to_id then post_transfer.amount else -post_transfer.amount end,
        version = b.version + 1,
        booked_at = v_booked_at,
        hash = case b.account_id when v_accounts.to_id then v_to_hash else v_from_hash end
    where
        b.book_id = post_transfer.book_id
        and b.account_id in (v_accounts.from_id, v_accounts.to_id)
        and b.slot = 0;

    insert into ledger_private.entries (
        book_id, account_id, slot, version, transaction_id, leg, amount, balance_after, booked_at, hash
    )
    values
    (
        post_transfer.book_id, v_accounts.from_id, 0, v_accounts.from_version + 1, v_id, 1,
        -post_transfer.amount, v_accounts.from_posted - post_transfer.amount, v_booked_at, v_from_hash
    ),
    (
        post_transfer.book_id, v_accounts.to_id, 0, v_accounts.to_version + 1, v_id, 2,
        post_transfer.amount, v_accounts.to_posted + post_transfer.amount, v_booked_at, v_to_hash
    );

    return row(
        v_id, post_transfer.book_id, 'transfer', v_posted_at, v_effective_on, false, false,
        array[
            row(
                v_accounts.from_id, -post_transfer.amount,
                v_accounts.from_posted - post_transfer.amount, v_accounts.from_version + 1
            )::ledger.receipt_entry,
            row(
                v_accounts.to_id, post_transfer.amount,
                v_accounts.to_posted + post_transfer.amount, v_accounts.to_version + 1
            )::ledger.receipt_entry
        ]
    )::ledger.receipt;
end;
$$;

comment on function ledger_private.post_transfer is
'Move money between two accounts of a book: the engine of ledger.transfer. Amounts in minor units.';

revoke execute on function ledger_private.post_transfer
from public, anon, authenticated, service_role;
grant execute on function ledger_private.post_transfer to authenticated, service_role;
