-- ledger_private.open_account: the engine behind ledger.open_account.
--
-- The id is the lock between duplicates, as an idempotency key is: the second caller waits on the
-- primary key.

create or replace function ledger_private.open_account(
    book_id uuid,
    name text,
    type text,
    currency text,
    code text,
    min_balance bigint,
    max_balance bigint,
    payable boolean,
    external_id text,
    metadata jsonb,
    id uuid,
    slots integer
)
returns ledger.accounts
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_id uuid := coalesce(open_account.id, ledger_private.new_id());
    v_floor bigint := coalesce(
        open_account.min_balance, case open_account.type when 'asset' then 0 end
    );
    v_hash bytea;
    v_account ledger.accounts;
begin
    perform ledger_private.check_argument('name', open_account.name is not null, '1 to 255 bytes');
    perform ledger_private.check_account(
        open_account.name, open_account.code, open_account.external_id, open_account.metadata
    );
    perform ledger_private.check_argument(
        'type',
        open_account.type in ('asset', 'liability', 'income', 'expense', 'equity'),
        'asset, liability, income, expense or equity'
    );
    perform ledger_private.check_argument(
        'currency',
        exists (select from ledger_private.currencies as c where c.code = open_account.currency),
        'a code of ledger.currencies'
    );
    perform ledger_private.check_limits(v_floor, open_account.max_balance);
    perform ledger_private.check_argument(
        'min_balance', coalesce(v_floor <= 0, true), 'at most 0: a new account is empty'
    );
    perform ledger_private.check_argument(
        'max_balance',
        coalesce(open_account.max_balance >= 0, true),
        'at least 0: a new account is empty'
    );

    perform ledger_private.check_argument(
        'slots',
        coalesce(
            open_account.slots = 1
            or (
                open_account.slots between 2 and 64
                and v_floor is null
                and open_account.max_balance is null
            ),
            false
        ),
        '1, or up to 64 for an account with neither floor nor ceiling'
    );

    perform ledger_private.enter_book(open_account.book_id, 'editor');
    v_hash := ledger_private.request_hash('open_account', jsonb_build_object(
        'name', open_account.name,
        'type', open_account.type,
        'currency', open_account.currency,
        'code', open_account.code,
        'min_balance', open_account.min_balance,
        'max_balance', open_account.max_balance,
        'payable', nullif(open_account.payable, false),
        'external_id', open_account.external_id,
        'metadata', nullif(open_account.metadata, '{}')::text,
        'slots', nullif(open_account.slots, 1)
    ));

    begin
        insert into ledger_private.accounts (
            book_id, id, code, name, type, currency, payable, external_id, metadata, request_hash
        )
        values (
            open_account.book_id, v_id, open_account.code, open_account.name, open_account.type,
            open_account.currency, coalesce(open_account.payable, false),
            open_account.external_id, coalesce(open_account.metadata, '{}'), v_hash
        )
        on conflict on constraint accounts_pkey do nothing;
        if found then
            insert into ledger_private.balances (
                book_id, account_id, slot, slots, currency, min_balance, max_balance
            )
            select
                open_account.book_id, v_id, g.slot, open_account.slots, open_account.currency,
                v_floor, open_account.max_balance
            from generate_series(0, open_account.slots - 1) as g (slot);
        end if;
    exception
        when unique_violation then
            -- A concurrent repeat of this very call may meet its twin on the code before it does on
            -- the id.
            if not exists (
                select from ledger_private.accounts as a
                where a.book_id = open_account.book_id and a.id = v_id
            ) then
                perform ledger_private.raise_error(
                    'duplicate_code', jsonb_build_object('code', open_account.code)
                );
            end if;
        when lock_not_available then
            perform ledger_private.raise_error('busy', jsonb_build_object('id', v_id));
    end;

    select v.* into v_account
    from ledger.accounts as v
    inner join ledger_private.accounts as a on a.book_id = v.book_id and a.id = v.id
    where v.book_id = open_account.book_id and v.id = v_id and a.request_hash = v_hash;

    if not found then
        perform ledger_private.raise_error('idempotency_mismatch', jsonb_build_object('id', v_id));
    end if;
    return v_account;
end;
$$;

comment on function ledger_private.open_account is
'Open an account: the engine of ledger.open_account.';

revoke execute on function ledger_private.open_account
from public, anon, authenticated, service_role;
grant execute on function ledger_private.open_account to authenticated, service_role;
