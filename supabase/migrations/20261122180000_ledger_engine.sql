-- v0.2.0: the whole ledger engine. Batches, holds, exchange, reversal, groups, periods, holders,
-- slots, past balances, feed and checkpoints.

-- State and limits of an account move to its balance rows: the rows that a posting locks anyway.

create domain ledger_private.account_status as text
constraint account_status_known check (value in ('open', 'frozen', 'closed'));

comment on domain ledger_private.account_status is 'open, frozen or closed.';

alter table ledger_private.balances
add column slots smallint not null default 1,
add column min_balance ledger_private.minor_units,
add column max_balance ledger_private.minor_units,
add column currency text,
add column status ledger_private.account_status not null default 'open';

update ledger_private.balances as b
set
    min_balance = a.min_balance,
    max_balance = a.max_balance,
    currency = a.currency,
    status = a.status
from ledger_private.accounts as a
where a.book_id = b.book_id and a.id = b.account_id;

alter table ledger_private.balances alter column currency set not null;

comment on table ledger_private.balances is
'Money, state and limits of each account; the row that a posting locks.';
comment on column ledger_private.balances.slots is
'Number of rows that the account has; fixed when it is opened.';
comment on column ledger_private.balances.held is 'Reserved by pending holds, in minor units.';
comment on column ledger_private.balances.min_balance is
'Floor of posted − held in minor units; null: none.';
comment on column ledger_private.balances.max_balance is
'Ceiling of posted in minor units; null: none.';

-- Flags that spare postings a look at tables which are empty for most books.

alter table ledger_private.books
add column has_groups boolean not null default false,
add column has_periods boolean not null default false;

comment on column ledger_private.books.has_groups is
'Whether postings have to look for account groups; changes under the exclusive lock.';
comment on column ledger_private.books.has_periods is
'Whether postings have to look for locked periods; changes under the exclusive lock.';

alter table ledger_private.book_members
drop constraint book_members_role_known,
add constraint book_members_role_known check (role in ('owner', 'editor', 'viewer', 'holder'));

comment on table ledger_private.book_members is
'Roles of users in books: owner, editor, viewer, holder.';

-- Entries: one index for registers, chains and past balances; value dates that differ.

alter table ledger_private.entries add column dated date, add column currency text;

comment on column ledger_private.entries.dated is
'Value date, where it is not the UTC day of booked_at.';

alter table ledger_private.entries disable trigger entries_are_final;
update ledger_private.entries as e
set
    dated = nullif(t.effective_on, (e.booked_at at time zone 'UTC')::date),
    currency = a.currency
from ledger_private.transactions as t, ledger_private.accounts as a
where
    t.book_id = e.book_id
    and t.id = e.transaction_id
    and a.book_id = e.book_id
    and a.id = e.account_id;
alter table ledger_private.entries alter column currency set not null;
alter table ledger_private.entries enable trigger entries_are_final;

alter table ledger_private.entries
drop constraint entries_pkey,
add constraint entries_pkey primary key (book_id, account_id, slot, booked_at, version);

create index entries_dated_idx on ledger_private.entries (book_id, account_id, dated)
where dated is not null;

-- Transactions: the feed, reversals, refused items of a batch.

create index transactions_reverses_id_idx on ledger_private.transactions (book_id, reverses_id)
where reverses_id is not null;

create index transactions_xid_idx on ledger_private.transactions (book_id, xid, id);

drop trigger transactions_are_kept on ledger_private.transactions;

create trigger transactions_are_kept
before delete on ledger_private.transactions
for each row when (old.xid <> pg_current_xact_id())
execute function ledger_private.refuse_change();

create trigger transactions_are_never_truncated
before truncate on ledger_private.transactions
for each statement execute function ledger_private.refuse_change();

-- Functions whose arguments or results change.

drop function ledger.get_balance(book_id uuid, account_id uuid);
drop function ledger.get_balances(book_id uuid, account_ids uuid[]);
drop function ledger.open_account(book_id uuid, name text, type text, currency text, code text, min_balance bigint, max_balance bigint, payable boolean, external_id text, metadata jsonb, id uuid);
drop function ledger.transfer(book_id uuid, from_account_id uuid, to_account_id uuid, amount bigint, idempotency_key text, effective_on date, description text, external_id text, metadata jsonb);
drop function ledger_private.enter_book(book_id uuid, required_role text, exclusive boolean, allow_archived boolean, replay_key text);
drop function ledger_private.open_account(book_id uuid, name text, type text, currency text, code text, min_balance bigint, max_balance bigint, payable boolean, external_id text, metadata jsonb, id uuid);
drop function ledger_private.post_transfer(book_id uuid, from_account_id uuid, to_account_id uuid, amount bigint, idempotency_key text, effective_on date, description text, external_id text, metadata jsonb);
drop function ledger_private.read_cursor(cursor text);
drop function ledger_private.replay(book_id uuid, idempotency_key text, request_hash bytea);

-- functions/ledger/account_register.sql

-- ledger.account_register: the entries of an account, newest first.
--
-- Raises  book_not_found, account_not_found, invalid_argument, invalid_cursor,
--         amount_out_of_range
-- Tests   tests/integration/ledger/test_account_register.py

create or replace function ledger.account_register(
    book_id uuid,
    account_id uuid,
    page_size integer default 100,
    before text default null
)
returns setof ledger.register_line
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account ledger.accounts := ledger_private.find_account(
        account_register.book_id, account_register.account_id
    );
begin
    perform ledger_private.check_argument(
        'page_size', account_register.page_size between 1 and 1000, '1 to 1000'
    );
    return query select l.* from ledger_private.register_page(
        v_account, account_register.page_size, account_register.before
    ) as l;
end;
$$;

comment on function ledger.account_register is
$$Return the entries of an account with running balances, newest first.

page_size: 1 to 1000 lines. before: the cursor of the last line seen, for the next page. An account
with several slots is merged in the order of booked_at and transaction_id, and has no versions.
Viewers and up, and who holds the account.$$;

revoke execute on function ledger.account_register from public, anon, authenticated, service_role;
grant execute on function ledger.account_register to authenticated, service_role;

-- functions/ledger/close_account.sql

-- ledger.close_account: close an account for ever, and sweep what is on it to another one.
--
-- Raises  book_not_found, forbidden, account_not_found, account_not_empty, same_account,
--         account_frozen, account_closed, currency_mismatch, limit_exceeded, amount_out_of_range,
--         insufficient_funds, group_floor, period_locked, book_archived, busy
-- Tests   tests/integration/ledger/test_close_account.py

create or replace function ledger.close_account(
    book_id uuid,
    account_id uuid,
    sweep_to uuid default null
)
returns ledger.accounts
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.close_account(
        close_account.book_id, close_account.account_id, close_account.sweep_to
    );
end;
$$;

comment on function ledger.close_account is
$$Close an account: it takes part in no posting any more, and stays readable.

sweep_to: takes the balance in a last posting; without it the account has to be empty. Holds have to
be released before. A frozen account closes only when it is empty. Closing is final; repeating it
returns the closed account. Owners only.$$;

revoke execute on function ledger.close_account from public, anon, authenticated, service_role;
grant execute on function ledger.close_account to authenticated, service_role;

-- functions/ledger/expire_holds.sql

-- ledger.expire_holds: give back what overdue holds have set aside.
--
-- The ledger has no clock of its own: this is called by a scheduler, or whenever somebody likes.
--
-- Raises  book_not_found, forbidden, book_archived, busy
-- Tests   tests/integration/ledger/test_expire_holds.py

create or replace function ledger.expire_holds(
    book_id uuid
)
returns integer
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.expire_holds(expire_holds.book_id);
end;
$$;

comment on function ledger.expire_holds is
$$Expire the overdue holds of a book, the oldest first, and return how many they were.

At most 1000 a call: repeat it until it returns 0. Editors and owners.$$;

revoke execute on function ledger.expire_holds from public, anon, authenticated, service_role;
grant execute on function ledger.expire_holds to authenticated, service_role;

-- functions/ledger/find_transaction.sql

-- ledger.find_transaction: was a posting with this key made?
--
-- Raises  book_not_found, transaction_not_found
-- Tests   tests/integration/ledger/test_find_transaction.py

create or replace function ledger.find_transaction(
    book_id uuid,
    idempotency_key text
)
returns ledger.receipt
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_receipt ledger.receipt;
begin
    perform ledger_private.check_book_visible(find_transaction.book_id);
    select r.* into v_receipt
    from ledger.transactions as t
    cross join lateral ledger_private.receipt_of(t.book_id, t.id) as r
    where
        t.book_id = find_transaction.book_id
        and t.idempotency_key = find_transaction.idempotency_key;
    if not found then
        perform ledger_private.raise_error('transaction_not_found');
    end if;
    return v_receipt;
end;
$$;

comment on function ledger.find_transaction is
$$Return the receipt of the transaction that used an idempotency key.

Settles what became of a call whose answer was lost: transaction_not_found means that nothing was
posted by a call that has ended, or that you may not see it. Viewers and up; holders where one of
their accounts is touched.$$;

revoke execute on function ledger.find_transaction from public, anon, authenticated, service_role;
grant execute on function ledger.find_transaction to authenticated, service_role;

-- functions/ledger/get_balance.sql

-- ledger.get_balance: the balance of one account, now or in the past.
--
-- Raises  book_not_found, account_not_found, invalid_argument, amount_out_of_range
-- Tests   tests/integration/ledger/test_get_balance.py

create or replace function ledger.get_balance(
    book_id uuid,
    account_id uuid,
    as_of timestamptz default null,
    effective_on date default null
)
returns ledger.balance
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account ledger.accounts := ledger_private.find_account(
        get_balance.book_id, get_balance.account_id
    );
begin
    if num_nonnulls(get_balance.as_of, get_balance.effective_on) = 0 then
        return row(
            v_account.id, v_account.currency, v_account.posted, v_account.held,
            v_account.available, v_account.version
        )::ledger.balance;
    end if;
    return b from ledger_private.balances_of(
        v_account.book_id, array[v_account.id], get_balance.as_of, get_balance.effective_on
    ) as b;
end;
$$;

comment on function ledger.get_balance is
$$Return the balance of an account in minor units: of now, of a moment, or of a value date.

available: posted − held − floor, null without a floor. version: number of entries so far; null
where the account has several slots. as_of: what had been booked by then, that moment included.
effective_on: all that is booked by now with a value date up to that day, the day included. One of
them at most; of the past held and available are null, by value date version too. Viewers and up,
and who holds the account.$$;

revoke execute on function ledger.get_balance from public, anon, authenticated, service_role;
grant execute on function ledger.get_balance to authenticated, service_role;

-- functions/ledger/get_balances.sql

-- ledger.get_balances: the balances of a book, or of some of its accounts, now or in the past.
--
-- Raises  book_not_found, invalid_argument, amount_out_of_range
-- Tests   tests/integration/ledger/test_get_balances.py

create or replace function ledger.get_balances(
    book_id uuid,
    account_ids uuid[] default null,
    as_of timestamptz default null,
    effective_on date default null
)
returns setof ledger.balance
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_visible(get_balances.book_id);
    return query
    select b.*
    from ledger_private.balances_of(
        get_balances.book_id, get_balances.account_ids, get_balances.as_of,
        get_balances.effective_on
    ) as b;
end;
$$;

comment on function ledger.get_balances is
$$Return balances of a book by account id, in minor units: of now, of a moment, or of a value date.

account_ids: only these; unknown ones are left out. as_of, effective_on: as in get_balance. Without
account_ids it reads a row for each account of the book. The API returns at most 1,000 rows a call:
page a larger book by passing account_ids. Viewers and up; holders get the accounts that they
hold.$$;

revoke execute on function ledger.get_balances from public, anon, authenticated, service_role;
grant execute on function ledger.get_balances to authenticated, service_role;

-- functions/ledger/remove_member.sql

-- ledger.remove_member: take a user out of a book.
--
-- Raises  book_not_found, forbidden, member_not_found, last_owner, book_archived, busy
-- Tests   tests/integration/ledger/test_remove_member.py

create or replace function ledger.remove_member(
    book_id uuid,
    user_id uuid
)
returns ledger.members
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.remove_member(remove_member.book_id, remove_member.user_id);
$$;

comment on function ledger.remove_member is
$$Take a user out of a book and return what she was.

What she posted stays; the accounts that she held are hers no more. Owners only; the last owner
stays.$$;

revoke execute on function ledger.remove_member from public, anon, authenticated, service_role;
grant execute on function ledger.remove_member to authenticated, service_role;

-- functions/ledger/set_member.sql

-- ledger.set_member: give a user a role.
--
-- Raises  book_not_found, forbidden, invalid_argument, user_not_found, last_owner, book_archived,
--         busy
-- Tests   tests/integration/ledger/test_set_member.py

create or replace function ledger.set_member(
    book_id uuid,
    user_id uuid,
    role text
)
returns ledger.members
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.set_member(set_member.book_id, set_member.user_id, set_member.role);
$$;

comment on function ledger.set_member is
$$Give a user a role in a book, or change it.

role: viewer (reads), editor (also posts and opens accounts), owner (also manages members, holders,
limits, groups and periods) or holder (sees and uses only the accounts that set_holder gives her;
with another role she has none of them any more). Owners only; the last owner stays.$$;

revoke execute on function ledger.set_member from public, anon, authenticated, service_role;
grant execute on function ledger.set_member to authenticated, service_role;

-- functions/ledger/statement.sql

-- ledger.statement: what happened on an account between two value dates.
--
-- Raises  book_not_found, account_not_found, invalid_argument, amount_out_of_range
-- Tests   tests/integration/ledger/test_statement.py

create or replace function ledger.statement(
    book_id uuid,
    account_id uuid,
    from_date date,
    to_date date
)
returns ledger.statement
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_argument(
        'to_date',
        statement.from_date <= statement.to_date,
        'both dates, the first not after the second'
    );
    perform ledger_private.find_account(statement.book_id, statement.account_id);
    return ledger_private.statement_of(
        statement.book_id, statement.account_id, statement.from_date, statement.to_date
    );
end;
$$;

comment on function ledger.statement is
$$Return the statement of an account for value dates from_date to to_date, both included.

Lines stand in value-date order with balances that run from opening to closing, in minor units.
Viewers and up, and who holds the account.$$;

revoke execute on function ledger.statement from public, anon, authenticated, service_role;
grant execute on function ledger.statement to authenticated, service_role;

-- functions/ledger/trial_balance.sql

-- ledger.trial_balance: the balances of all accounts of a book, which cancel out.
--
-- Raises  book_not_found, forbidden, invalid_argument, amount_out_of_range
-- Tests   tests/integration/ledger/test_trial_balance.py

create or replace function ledger.trial_balance(
    book_id uuid,
    effective_on date default null
)
returns setof ledger.balance
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_reader(trial_balance.book_id);
    return query
    select b.*
    from ledger_private.balances_of(
        trial_balance.book_id, null, null, trial_balance.effective_on
    ) as b;
end;
$$;

comment on function ledger.trial_balance is
$$Return all balances of a book by account id, in minor units: they sum to zero per currency.

effective_on: all that is booked by now with a value date up to that day; without it, all that is
booked. Reads a row for each account of the book. The API returns at most 1,000 rows a call: sum a
larger book from pages of get_balances. Viewers and up.$$;

revoke execute on function ledger.trial_balance from public, anon, authenticated, service_role;
grant execute on function ledger.trial_balance to authenticated, service_role;

-- functions/ledger/verify_book.sql

-- ledger.verify_book: prove a book from its entries.
--
-- Raises  book_not_found, forbidden
-- Tests   tests/integration/ledger/test_verify_book.py

create or replace function ledger.verify_book(
    book_id uuid
)
returns setof ledger.check_result
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_reader(verify_book.book_id);
    return query select c.* from ledger_private.verify_book(verify_book.book_id) as c;
end;
$$;

comment on function ledger.verify_book is
$$Recompute a book from its entries and compare: sums, balances, hash chains, limits, holds.

Every check returns one row, ok or with its first offenders in details. Reads every entry of the
book. Viewers and up.$$;

revoke execute on function ledger.verify_book from public, anon, authenticated, service_role;
grant execute on function ledger.verify_book to authenticated, service_role;

-- functions/ledger_private/available_up_to.sql

-- ledger_private.available_up_to: how much transfer_up_to moves. Called by post_transfer only:
-- locks both accounts, in the global order, before it looks.
--
-- Where nothing is available the amount stays as it is, and the transfer is refused for it.

create or replace function ledger_private.available_up_to(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint
)
returns bigint
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_free bigint;
begin
    perform ledger_private.lock_accounts(
        available_up_to.book_id,
        array[available_up_to.from_account_id, available_up_to.to_account_id]
    );
    select b.posted - b.held - b.min_balance into v_free
    from ledger_private.balances as b
    where
        b.book_id = available_up_to.book_id
        and b.account_id = available_up_to.from_account_id
        and b.slot = 0;
    return case
        when v_free > 0 then least(available_up_to.amount, v_free) else available_up_to.amount
    end;
end;
$$;

comment on function ledger_private.available_up_to is
'Lock two accounts; return the smaller of an amount and what the giver has available.';

revoke execute on function ledger_private.available_up_to
from public, anon, authenticated, service_role;

-- functions/ledger_private/bad_argument.sql

-- ledger_private.bad_argument: which of a posting's words it cannot carry, and why. The table has
-- no checks of its own. Called by the engine only, where a posting has words at all: most have
-- none.

create or replace function ledger_private.bad_argument(
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
)
returns jsonb
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_argument text := case
        when octet_length(idempotency_key) not between 1 and 255 then 'idempotency_key'
        when effective_on not between '0001-01-01' and '9999-12-31' then 'effective_on'
        when octet_length(description) > 1000 then 'description'
        when octet_length(external_id) not between 1 and 255 then 'external_id'
        when
            jsonb_typeof(metadata) <> 'object'
            or octet_length(metadata::text) > 16384
            or jsonb_path_exists(metadata, '$.**{33}') then 'metadata'
    end;
begin
    if v_argument is null then
        return null;
    end if;
    return jsonb_build_object(
        'argument', v_argument,
        'reason', case v_argument
            when 'effective_on' then 'a date from 0001-01-01 to 9999-12-31'
            when 'description' then 'at most 1000 bytes'
            when 'metadata' then 'an object of at most 16 KiB and 32 levels'
            else '1 to 255 bytes'
        end
    );
end;
$$;

comment on function ledger_private.bad_argument is
'Return the details of invalid_argument for a posting''s words, null where all are well.';

revoke execute on function ledger_private.bad_argument
from public, anon, authenticated, service_role;

-- functions/ledger_private/balances_at.sql

-- ledger_private.balances_at: balances of some accounts at a moment, or at the end of a value date.
-- Runs as the caller, in one statement and so in one snapshot; ids that she does not see give no
-- row.
--
-- By booking order that is what the last entry up to the moment left: one probe a slot. By value
-- date it is the same at the end of the UTC day, plus what sql/ledger_private/value_shifts.sql
-- says: whole months before the day's, then the days of that month.

create or replace function ledger_private.balances_at(
    book_id uuid,
    account_ids uuid[],
    as_of timestamptz,
    effective_on date
)
returns setof ledger.balance
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_month date := date_trunc('month', balances_at.effective_on::timestamp)::date;
    v_until timestamptz := coalesce(
        balances_at.as_of,
        (balances_at.effective_on + 1)::timestamp at time zone 'UTC' - interval '1 microsecond'
    );
begin
    return query
    select
        s.account_id,
        s.currency,
        ledger_private.check_range(s.account_id, s.posted + coalesce(d.months + d.days, 0)),
        null::bigint,
        null::bigint,
        case when s.slots = 1 and balances_at.as_of is not null then s.version end::bigint
    from (
        select distinct u.account_id
        from unnest(balances_at.account_ids) as u (account_id)
    ) as i
    cross join lateral (
        select
            b.account_id,
            min(b.currency) as currency,
            min(b.slots) as slots,
            coalesce(sum(e.balance_after), 0) as posted,
            coalesce(sum(e.version), 0) as version
        from ledger_private.balances as b
        left join lateral (
            select x.balance_after, x.version
            from ledger_private.entries as x
            where
                x.book_id = b.book_id
                and x.account_id = b.account_id
                and x.slot = b.slot
                and x.booked_at <= v_until
            order by x.booked_at desc, x.version desc
            limit 1
        ) as e on true
        where b.book_id = balances_at.book_id and b.account_id = i.account_id
        group by b.account_id
    ) as s
    left join lateral (
        select
            (
                select coalesce(sum(v.amount), 0)
                from ledger_private.value_shifts as v
                where
                    v.book_id = balances_at.book_id
                    and v.account_id = s.account_id
                    and v.grain = 'month'
                    and v.starts_on < v_month
            ) as months,
            (
                select coalesce(sum(v.amount), 0)
                from ledger_private.value_shifts as v
                where
                    v.book_id = balances_at.book_id
                    and v.account_id = s.account_id
                    and v.grain = 'day'
                    and v.starts_on between v_month and balances_at.effective_on
            ) as days
    ) as d on balances_at.effective_on is not null
    order by s.account_id;
end;
$$;

comment on function ledger_private.balances_at is
$$Return past balances of accounts by id. Exactly one of as_of and effective_on is not null.$$;

revoke execute on function ledger_private.balances_at
from public, anon, authenticated, service_role;
grant execute on function ledger_private.balances_at to authenticated, service_role;

-- functions/ledger_private/balances_of.sql

-- ledger_private.balances_of: the balances of a book, or of some of its accounts, now or in the
-- past. Runs as the caller.
--
-- Ids that are given are looked up one by one, and so are those of a holder; without them the
-- book's own range of each index is read. Two queries, because one for both would be planned as the
-- second.

create or replace function ledger_private.balances_of(
    book_id uuid,
    account_ids uuid[],
    as_of timestamptz,
    effective_on date
)
returns setof ledger.balance
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
-- A session keeps the plans that it made while the tables were small.
set enable_seqscan = off
as $$
declare
    v_ids uuid[] := balances_of.account_ids;
begin
    perform ledger_private.check_moment(balances_of.as_of, balances_of.effective_on);
    if v_ids is null and ledger_private.is_holder(balances_of.book_id) then
        v_ids := array(
            select h.account_id
            from ledger_private.my_accounts() as h
            where h.book_id = balances_of.book_id
        );
    end if;

    if num_nonnulls(balances_of.as_of, balances_of.effective_on) > 0 then
        return query
        select p.*
        from ledger_private.balances_at(
            balances_of.book_id,
            coalesce(v_ids, array(
                select a.id
                from ledger_private.accounts as a
                where a.book_id = balances_of.book_id
            )),
            balances_of.as_of,
            balances_of.effective_on
        ) as p;
    elsif v_ids is null then
        return query
        select a.id, a.currency, a.posted, a.held, a.available, a.version
        from ledger.accounts as a
        where a.book_id = balances_of.book_id
        order by a.id;
    else
        return query
        select a.id, a.currency, a.posted, a.held, a.available, a.version
        from ledger.accounts as a
        where a.book_id = balances_of.book_id and a.id = any(v_ids)
        order by a.id;
    end if;
end;
$$;

comment on function ledger_private.balances_of is
'Return balances by account id. account_ids: null for the whole book.';

revoke execute on function ledger_private.balances_of
from public, anon, authenticated, service_role;
grant execute on function ledger_private.balances_of to authenticated, service_role;

-- functions/ledger_private/check_book_reader.sql

-- ledger_private.check_book_reader: for what tells about a whole book. Runs as the caller.

create or replace function ledger_private.check_book_reader(book_id uuid)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_visible(check_book_reader.book_id);
    if ledger_private.is_holder(check_book_reader.book_id) then
        perform ledger_private.raise_error('forbidden', jsonb_build_object(
            'book_id', check_book_reader.book_id, 'role', 'holder', 'required', 'viewer'
        ));
    end if;
end;
$$;

comment on function ledger_private.check_book_reader is
'Raise book_not_found for strangers and forbidden for holders.';

revoke execute on function ledger_private.check_book_reader
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_book_reader to authenticated, service_role;

-- functions/ledger_private/check_entries.sql

-- ledger_private.check_entries: the part of verify_book that recomputes every hash chain and
-- compares its end with the balance. Called by verify_book only.
--
-- The hash is recomputed by the format in sql/ledger_private/entries.sql, written out here as in
-- the engine: a function for it would have to fix its search_path, could not be inlined then, and
-- would cost more than the hash.
--
-- Each line meets the one before it by a join on its number, not by a window function: those are
-- not run in parallel, and hashing is most of the work. So each line is also read by no order, and
-- that the numbers of a chain are 1, 2, 3 … is shown by two facts: each has the one before it, and
-- there are as many as the highest says. Where the line before is missing, that alone is told of
-- the line: its sum and time have nothing to be compared with.
--
-- A cut tail shows at the balance: it still knows number and hash of what is gone.

create or replace function ledger_private.check_entries(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
-- Every line is read: nested loops would be quadratic where the statistics are old, and a merge
-- sorts all lines twice.
set enable_nestloop = off
set enable_mergejoin = off
set work_mem = '32MB'
set jit = off
as $$
    with chains as materialized (
        select
            l.account_id,
            l.slot,
            count(*) as lines,
            max(l.version) as top,
            sum(l.amount) as total,
            count(*) filter (where not l.has_account) as orphans,
            min(l.version) filter (where not l.has_account) as orphan,
            count(*) filter (where not l.follows) as gaps,
            min(l.version) filter (where not l.follows) as gap,
            count(*) filter (where not l.adds_up) as wrong_sums,
            min(l.version) filter (where not l.adds_up) as wrong_sum,
            count(*) filter (where not l.rises) as falls,
            min(l.version) filter (where not l.rises) as fall,
            count(*) filter (where not l.hashes) as broken,
            min(l.version) filter (where not l.hashes) as breach
        from (
            select
                e.account_id,
                e.slot,
                e.version,
                e.amount,
                a.id is not null as has_account,
                e.version = 1 or p.version is not null as follows,
                e.balance_after - coalesce(p.balance_after, 0) = e.amount
                or (p.version is null and e.version <> 1) as adds_up,
                e.booked_at >= coalesce(p.booked_at, e.booked_at) as rises,
                a.currency is not distinct from e.currency
                and e.hash = sha256(
                    '\x01'::bytea
                    || coalesce(p.hash, decode(repeat('00', 32), 'hex'))
                    || substr(array_send(array[
                        uuid_send(e.book_id), uuid_send(e.account_id), int2send(e.slot),
                        int8send(e.version), uuid_send(e.transaction_id), int2send(e.leg),
                        int8send(e.amount), int8send(e.balance_after),
                        timestamptz_send(e.booked_at),
                        date_send(coalesce(e.dated, (e.booked_at at time zone 'UTC')::date)),
                        convert_to(e.currency, 'UTF8')
                    ]), 21)
                ) as hashes
            from ledger_private.entries as e
            left join ledger_private.entries as p
                on
                    p.book_id = e.book_id
                    and p.account_id = e.account_id
                    and p.slot = e.slot
                    and p.version = e.version - 1
            left join ledger_private.accounts as a on a.book_id = e.book_id and a.id = e.account_id
            where e.book_id = check_entries.book_id
            -- Keeps each answer one expression, not one for each of its uses.
            offset 0
        ) as l
        group by l.account_id, l.slot
    ),

    ends as materialized (
        select
            coalesce(b.account_id, c.account_id) as account_id,
            coalesce(b.slot, c.slot) as slot,
            b.posted = coalesce(l.balance_after, 0)
            and b.posted = coalesce(c.total, 0)
            and b.version = coalesce(l.version, 0)
            and b.booked_at = coalesce(l.booked_at, '-infinity') as matches,
            b.hash = coalesce(l.hash, decode(repeat('00', 32), 'hex')) as same_head
        from (
            select x.account_id, x.slot, x.posted, x.version, x.booked_at, x.hash
            from ledger_private.balances as x
            where x.book_id = check_entries.book_id
        ) as b
        full join chains as c on c.account_id = b.account_id and c.slot = b.slot
        left join lateral (
            select e.balance_after, e.version, e.booked_at, e.hash
            from ledger_private.entries as e
            where
                e.book_id = check_entries.book_id
                and e.account_id = c.account_id
                and e.slot = c.slot
            order by e.booked_at desc, e.version desc
            limit 1
        ) as l on true
    ),

    faults (check_name, offenders, first) as (
        select
            k.check_name,
            k.offenders,
            jsonb_build_object('account_id', c.account_id, 'slot', c.slot, 'version', k.version)
        from chains as c
        cross join lateral (
            values
            ('entries_have_accounts', c.orphans, c.orphan),
            (
                'versions_have_no_gaps',
                greatest(c.gaps, (c.lines <> c.top)::integer),
                coalesce(c.gap, c.top)
            ),
            ('running_balances_add_up', c.wrong_sums, c.wrong_sum),
            ('booking_times_rise', c.falls, c.fall),
            ('hash_chains_hold', c.broken, c.breach)
        ) as k (check_name, offenders, version)
        where k.offenders > 0
        union all
        select k.check_name, 1, jsonb_build_object('account_id', e.account_id, 'slot', e.slot)
        from ends as e
        cross join lateral (
            values ('balances_match_entries', e.matches), ('heads_match_chains', e.same_head)
        ) as k (check_name, ok)
        where k.ok is not true
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', coalesce(sum(f.offenders), 0),
            'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values
        (1, 'entries_have_accounts'), (2, 'versions_have_no_gaps'), (3, 'running_balances_add_up'),
        (4, 'booking_times_rise'), (5, 'hash_chains_hold'), (6, 'balances_match_entries'),
        (7, 'heads_match_chains')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_entries is
'Check the hash chains of a book, and that each balance is the end of its chain.';

revoke execute on function ledger_private.check_entries
from public, anon, authenticated, service_role;

-- functions/ledger_private/check_moment.sql

-- ledger_private.check_moment: the past that a balance function is asked for.

create or replace function ledger_private.check_moment(as_of timestamptz, effective_on date)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_argument(
        'as_of',
        coalesce(as_of >= '0001-01-01 00:00Z' and as_of < '10000-01-01 00:00Z', true),
        'a time from year 1 to 9999'
    );
    perform ledger_private.check_argument(
        'effective_on',
        coalesce(effective_on between '0001-01-01' and '9999-12-31', true),
        'a date from 0001-01-01 to 9999-12-31'
    );
    perform ledger_private.check_argument(
        'effective_on', num_nonnulls(as_of, effective_on) < 2, 'without as_of'
    );
end;
$$;

comment on function ledger_private.check_moment is
'Raise invalid_argument for two moments at once, or one that no calendar has.';

revoke execute on function ledger_private.check_moment
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_moment to authenticated, service_role;

-- functions/ledger_private/check_posting.sql

-- ledger_private.check_posting: what every posting may carry, and the hash of the request. The
-- table has no checks of its own. Called by the engine only.
--
-- Both in one, because most calls carry none of the words: then neither costs anything.

create or replace function ledger_private.check_posting(
    function_name text,
    arguments text,
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
)
returns bytea
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_bad jsonb;
    v_words text := '{}';
begin
    if
        octet_length(idempotency_key) not between 1 and 255
        or num_nonnulls(effective_on, description, external_id, metadata) > 0
    then
        v_bad := ledger_private.bad_argument(
            idempotency_key, effective_on, description, external_id, metadata
        );
        if v_bad is not null then
            perform ledger_private.raise_error('invalid_argument', v_bad);
        end if;
        v_words := ledger_private.words(effective_on, description, external_id, metadata);
    end if;

    if idempotency_key is null then
        return null;
    end if;
    return sha256(
        convert_to(concat_ws(' ', '1', function_name, arguments, v_words), 'UTF8')
    );
end;
$$;

comment on function ledger_private.check_posting is
$$Raise invalid_argument for what a posting cannot carry; return the hash of the request.

arguments: those of the function that are required, as text. Words that are absent or at their
default are left out of the hash, so that one added later does not turn a replay into a mismatch.
Null without an idempotency_key.$$;

revoke execute on function ledger_private.check_posting
from public, anon, authenticated, service_role;

-- functions/ledger_private/check_range.sql

-- ledger_private.check_range: a computed balance, as callers get it. Each posting keeps the
-- balances that it writes in the range; a sum by value date may leave it.

create or replace function ledger_private.check_range(account_id uuid, balance numeric)
returns bigint
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if abs(check_range.balance) > 9007199254740991 then
        perform ledger_private.raise_error(
            'amount_out_of_range', jsonb_build_object('account_id', check_range.account_id)
        );
    end if;
    return check_range.balance;
end;
$$;

comment on function ledger_private.check_range is
'Return a balance in minor units, or raise amount_out_of_range.';

revoke execute on function ledger_private.check_range
from public, anon, authenticated, service_role;
grant execute on function ledger_private.check_range to authenticated, service_role;

-- functions/ledger_private/check_transactions.sql

-- ledger_private.check_transactions: the part of verify_book that reads every entry along its
-- transaction, where check_entries does along its account. Called by verify_book only.
--
-- An entry's hash covers its value date; that this is the one of its transaction shows here. What
-- a transaction's own row has to agree about is asked in the same pass: there are as many.

create or replace function ledger_private.check_transactions(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
-- As in check_entries.
set enable_nestloop = off
set work_mem = '32MB'
set jit = off
as $$
    with wrong as materialized (
        select
            coalesce(t.id, s.transaction_id) as id,
            s.currency,
            s.total,
            t.id is not null as is_known,
            s.legs > 1 as is_whole,
            s.legs is null
            or t.id is null
            or (s.earliest = t.effective_on and s.latest = t.effective_on and s.redundant = 0)
            as dates_match,
            coalesce(t.is_named, true) as is_named,
            coalesce(t.is_hashed, true) as is_hashed
        from (
            select
                x.id,
                x.effective_on,
                (x.kind = 'reversal') = (x.reverses_id is not null) as is_named,
                (x.idempotency_key is null) = (x.request_hash is null) as is_hashed
            from ledger_private.transactions as x
            where x.book_id = check_transactions.book_id
        ) as t
        full join (
            select
                e.transaction_id,
                e.currency,
                sum(e.amount) as total,
                count(*) as legs,
                min(coalesce(e.dated, e.booked_on)) as earliest,
                max(coalesce(e.dated, e.booked_on)) as latest,
                count(*) filter (where e.dated = e.booked_on) as redundant
            from (
                select
                    x.transaction_id,
                    x.currency,
                    x.amount,
                    x.dated,
                    (x.booked_at at time zone 'UTC')::date as booked_on
                from ledger_private.entries as x
                where x.book_id = check_transactions.book_id
                -- Keeps the day one expression, not one for each of its uses.
                offset 0
            ) as e
            group by e.transaction_id, e.currency
        ) as s on s.transaction_id = t.id
        -- Of the others nothing is left to say, not even for the book's sums: theirs are zero.
        where (
            s.total = 0
            and s.legs > 1
            and s.earliest = t.effective_on
            and s.latest = t.effective_on
            and s.redundant = 0
            and t.is_named
            and t.is_hashed
        ) is not true
    ),

    faults (check_name, first) as (
        select
            'book_sums_to_zero',
            jsonb_build_object('currency', w.currency, 'total', sum(w.total))
        from wrong as w
        group by w.currency
        having sum(w.total) <> 0
        union all
        -- One offender, also where it has several currencies.
        select distinct k.check_name, k.first
        from wrong as w
        cross join lateral (select jsonb_build_object('transaction_id', w.id) as named) as o
        cross join lateral (
            values
            (
                'transactions_sum_to_zero',
                w.total = 0 or w.total is null,
                jsonb_build_object('transaction_id', w.id, 'total', w.total)
            ),
            ('transactions_have_entries', coalesce(w.is_whole, false), o.named),
            ('entries_have_transactions', w.is_known, o.named),
            ('value_dates_match', w.dates_match, o.named),
            ('reversals_name_their_original', w.is_named, o.named),
            ('keys_have_hashes', w.is_hashed, o.named)
        ) as k (check_name, ok, first)
        where not k.ok
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', count(f.check_name), 'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values
        (1, 'book_sums_to_zero'), (2, 'transactions_sum_to_zero'), (3, 'transactions_have_entries'),
        (4, 'entries_have_transactions'), (5, 'value_dates_match'),
        (6, 'reversals_name_their_original'), (7, 'keys_have_hashes')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_transactions is
$$Check that the entries of each transaction of a book sum to zero and carry its value date, and
that its own row agrees with itself.$$;

revoke execute on function ledger_private.check_transactions
from public, anon, authenticated, service_role;

-- functions/ledger_private/conversion_account_id.sql

-- ledger_private.conversion_account_id: where a book keeps what it has exchanged of a currency. The
-- id follows from book and currency, so that two first exchanges at once make one account.
--
-- A UUID version 8 (RFC 9562): 122 bits of a SHA-256.

create or replace function ledger_private.conversion_account_id(book_id uuid, currency text)
returns uuid
language plpgsql
immutable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_id bytea := substr(
        sha256(convert_to(
            concat_ws(
                ' ', 'conversion',
                conversion_account_id.book_id, conversion_account_id.currency
            ),
            'UTF8'
        )),
        1, 16
    );
begin
    v_id := set_byte(v_id, 6, (get_byte(v_id, 6) & 15) | 128);
    v_id := set_byte(v_id, 8, (get_byte(v_id, 8) & 63) | 128);
    return encode(v_id, 'hex')::uuid;
end;
$$;

comment on function ledger_private.conversion_account_id is
'Return the id of the conversion account of a book and currency.';

revoke execute on function ledger_private.conversion_account_id
from public, anon, authenticated, service_role;

-- functions/ledger_private/expire_holds.sql

-- ledger_private.expire_holds: the engine behind ledger.expire_holds.
--
-- What is overdue is found without locks; then all balances are locked in one sorted statement, the
-- holds after them, and what is no longer pending by then is left out. Groups: as in release_hold.

create or replace function ledger_private.expire_holds(book_id uuid)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_holds uuid[];
    v_accounts uuid[];
    v_count integer;
begin
    perform ledger_private.enter_book(expire_holds.book_id, 'editor');

    select array_agg(o.id), array_agg(distinct o.account_id) into v_holds, v_accounts
    from (
        select h.id, h.account_id
        from ledger_private.holds as h
        where
            h.book_id = expire_holds.book_id
            and h.state = 'pending'
            and h.expires_at <= clock_timestamp()
        order by h.expires_at
        limit 1000
    ) as o;

    perform ledger_private.lock_accounts(expire_holds.book_id, v_accounts);
    begin
        perform
        from ledger_private.holds as h
        where h.book_id = expire_holds.book_id and h.id = any(v_holds)
        order by h.id
        for no key update;
    exception when lock_not_available then
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('book_id', expire_holds.book_id)
        );
    end;

    with expired as (
        update ledger_private.holds as h
        set released = h.amount - h.captured, state = 'expired'
        where
            h.book_id = expire_holds.book_id and h.id = any(v_holds) and h.state = 'pending'
        returning h.account_id, h.released
    ),

    given_back as (
        update ledger_private.balances as b
        set held = b.held - e.released
        from (
            select x.account_id, sum(x.released)::bigint as released
            from expired as x
            group by x.account_id
        ) as e
        where
            b.book_id = expire_holds.book_id and b.account_id = e.account_id and b.slot = 0
    )

    select count(*) into v_count
    from expired as x;
    return v_count;
end;
$$;

comment on function ledger_private.expire_holds is
'Expire the overdue holds of a book, at most 1000: the engine of ledger.expire_holds.';

revoke execute on function ledger_private.expire_holds
from public, anon, authenticated, service_role;
grant execute on function ledger_private.expire_holds to authenticated, service_role;

-- functions/ledger_private/feed_page.sql

-- ledger_private.feed_page: transactions of a book after a cursor, in the order of the feed. Runs
-- as the caller.
--
-- Below the snapshot's xmin every transaction has ended: nothing can appear there later, and so
-- nothing is skipped by who goes on behind the last one that she has seen.
--
-- A holder's page begins at the entries of her accounts: read from the book's side it would look at
-- what all others do. It costs what her accounts have.

create or replace function ledger_private.feed_page(book_id uuid, after text, page_size integer)
returns setof ledger_private.transactions
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_after ledger_private.transactions := ledger_private.read_feed_cursor(
        feed_page.book_id, feed_page.after
    );
    v_xid xid8 := coalesce(v_after.xid, '0');
    v_id uuid := coalesce(v_after.id, '00000000-0000-0000-0000-000000000000');
begin
    if ledger_private.is_holder(feed_page.book_id) then
        return query
        select t.*
        from (
            select distinct e.transaction_id
            from ledger_private.my_accounts() as h
            inner join ledger_private.entries as e
                on e.book_id = h.book_id and e.account_id = h.account_id
            where h.book_id = feed_page.book_id
        ) as m
        inner join ledger_private.transactions as t
            on t.book_id = feed_page.book_id and t.id = m.transaction_id
        where
            (t.xid, t.id) > (v_xid, v_id)
            and t.xid < pg_snapshot_xmin(pg_current_snapshot())
        order by t.xid, t.id
        limit feed_page.page_size;
    else
        return query
        select t.*
        from ledger_private.transactions as t
        where
            t.book_id = feed_page.book_id
            and (t.xid, t.id) > (v_xid, v_id)
            and t.xid < pg_snapshot_xmin(pg_current_snapshot())
        order by t.xid, t.id
        limit feed_page.page_size;
    end if;
end;
$$;

comment on function ledger_private.feed_page is
'Return the next transactions of the feed after a cursor; null: from the first.';

revoke execute on function ledger_private.feed_page from public, anon, authenticated, service_role;
grant execute on function ledger_private.feed_page to authenticated, service_role;

-- functions/ledger_private/holder_refusal.sql

-- ledger_private.holder_refusal: why a holder may not take from an account, or pay into it. What
-- she does not see is not there. Called by the engine only.

create or replace function ledger_private.holder_refusal(
    book_id uuid,
    user_id uuid,
    account_id uuid,
    gives boolean
)
returns text
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_access text := (
        select h.access
        from ledger_private.account_holders as h
        where
            h.book_id = holder_refusal.book_id
            and h.account_id = holder_refusal.account_id
            and h.user_id = holder_refusal.user_id
    );
begin
    return case
        when holder_refusal.gives then case v_access
            when 'spend' then null
            when 'view' then 'forbidden'
            else 'account_not_found'
        end
        when v_access is null and not exists (
            select from ledger_private.accounts as a
            where
                a.book_id = holder_refusal.book_id
                and a.id = holder_refusal.account_id
                and a.payable
        ) then 'account_not_found'
    end;
end;
$$;

comment on function ledger_private.holder_refusal is
$$Return the code that refuses a holder one side of a posting, null where she may.

gives: money is taken from the account; else paid into it.$$;

revoke execute on function ledger_private.holder_refusal
from public, anon, authenticated, service_role;

-- functions/ledger_private/is_holder.sql

-- ledger_private.is_holder: whether the caller sees a book in part only. Runs as the caller:
-- service_role and the owner of the schema see all of it, whatever a token says.

create or replace function ledger_private.is_holder(book_id uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    return row_security_active('ledger_private.book_members') and exists (
        select from ledger_private.book_members as m
        where
            m.book_id = is_holder.book_id
            and m.user_id = (select auth.uid())
            and m.role = 'holder'
    );
end;
$$;

comment on function ledger_private.is_holder is
'Return whether the caller is a holder in the book: sees only accounts that she holds.';

revoke execute on function ledger_private.is_holder from public, anon, authenticated, service_role;
grant execute on function ledger_private.is_holder to authenticated, service_role;

-- functions/ledger_private/lock_accounts.sql

-- ledger_private.lock_accounts: level 3 of the global order. Locks the balance rows of accounts,
-- sorted, in one statement: of an account with several slots, this session's. Called by the engine
-- only; what is locked is read afterwards, in a later statement.

create or replace function ledger_private.lock_accounts(book_id uuid, account_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    perform
    from ledger_private.balances as b
    where
        b.book_id = lock_accounts.book_id
        and b.account_id = any(lock_accounts.account_ids)
        and b.slot = mod(pg_backend_pid(), b.slots)
    order by b.account_id, b.slot
    for no key update;
exception when lock_not_available then
    perform ledger_private.raise_error(
        'busy', jsonb_build_object('book_id', lock_accounts.book_id)
    );
end;
$$;

comment on function ledger_private.lock_accounts is
'Lock the balance rows of accounts in the global order, or raise busy.';

revoke execute on function ledger_private.lock_accounts
from public, anon, authenticated, service_role;

-- functions/ledger_private/lock_groups.sql

-- ledger_private.lock_groups: level 2 of the global order. Locks the groups that accounts are in,
-- sorted. Called by the engine only, where the book has groups; under the book's lock nobody
-- changes who is in them.

create or replace function ledger_private.lock_groups(book_id uuid, account_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    perform
    from ledger_private.account_groups as g
    where
        g.book_id = lock_groups.book_id
        and g.id = any(array(
            select m.group_id
            from ledger_private.account_group_members as m
            where
                m.book_id = lock_groups.book_id and m.account_id = any(lock_groups.account_ids)
        ))
    order by g.id
    for no key update;
exception when lock_not_available then
    perform ledger_private.raise_error(
        'busy', jsonb_build_object('book_id', lock_groups.book_id)
    );
end;
$$;

comment on function ledger_private.lock_groups is
'Lock the groups of accounts in the global order, or raise busy.';

revoke execute on function ledger_private.lock_groups
from public, anon, authenticated, service_role;

-- functions/ledger_private/merged_page.sql

-- ledger_private.merged_page: a page of an account's register with several slots, merged by
-- (booked_at, transaction_id, leg). Runs as the caller.
--
-- Each slot gives the entries of the cursor's very moment and a page of those before; so whatever
-- the page needs is among them, and what was booked up to that moment, less what is newer than a
-- line, is the line's running balance. Both cost the same wherever the page stands.

create or replace function ledger_private.merged_page(
    book_id uuid,
    account_id uuid,
    page_size integer,
    before ledger_private.entries
)
returns setof ledger.register_line
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_moment timestamptz := coalesce(merged_page.before.booked_at, 'infinity');
begin
    return query
    with slots as materialized (
        select b.slot, e.balance_after
        from ledger_private.balances as b
        left join lateral (
            select x.balance_after
            from ledger_private.entries as x
            where
                x.book_id = b.book_id
                and x.account_id = b.account_id
                and x.slot = b.slot
                and x.booked_at <= v_moment
            order by x.booked_at desc, x.version desc
            limit 1
        ) as e on true
        where b.book_id = merged_page.book_id and b.account_id = merged_page.account_id
    ),

    candidates as (
        select e.*
        from slots as s
        cross join lateral (
            (
                select x.slot, x.booked_at, x.version, x.transaction_id, x.leg, x.amount
                from ledger_private.entries as x
                where
                    x.book_id = merged_page.book_id
                    and x.account_id = merged_page.account_id
                    and x.slot = s.slot
                    and x.booked_at = v_moment
            )
            union all
            (
                select x.slot, x.booked_at, x.version, x.transaction_id, x.leg, x.amount
                from ledger_private.entries as x
                where
                    x.book_id = merged_page.book_id
                    and x.account_id = merged_page.account_id
                    and x.slot = s.slot
                    and x.booked_at < v_moment
                order by x.booked_at desc
                fetch first merged_page.page_size rows with ties
            )
        ) as e
    ),

    lines as (
        select
            c.*,
            (select sum(s.balance_after) from slots as s) + c.amount
            - sum(c.amount) over (order by c.booked_at desc, c.transaction_id desc, c.leg desc)
                as balance
        from candidates as c
    ),

    page as (
        select l.*
        from lines as l
        where
            merged_page.before is null
            or (l.booked_at, l.transaction_id, l.leg)
            < (
                merged_page.before.booked_at,
                merged_page.before.transaction_id,
                merged_page.before.leg
            )
        order by l.booked_at desc, l.transaction_id desc, l.leg desc
        limit merged_page.page_size
    )

    select
        r.transaction_id, r.leg, r.kind, r.booked_at, r.effective_on, r.description, r.amount,
        ledger_private.check_range(merged_page.account_id, p.balance), null::bigint, r.cursor
    from page as p
    inner join ledger_private.register as r
        on
            r.book_id = merged_page.book_id
            and r.account_id = merged_page.account_id
            and r.slot = p.slot
            and r.booked_at = p.booked_at
            and r.version = p.version
    order by p.booked_at desc, p.transaction_id desc, p.leg desc;
end;
$$;

comment on function ledger_private.merged_page is
'Return entries of an account with several slots, newest first, below an entry.';

revoke execute on function ledger_private.merged_page
from public, anon, authenticated, service_role;
grant execute on function ledger_private.merged_page to authenticated, service_role;

-- functions/ledger_private/merkle_root.sql

-- ledger_private.merkle_root: the root of RFC 6962 over leaves that are given in order.
--
-- The RFC splits a list at the largest power of two below its length. Hashing neighbours level by
-- level, and taking an odd last one up as it is, gives the same tree without recursion.

create or replace function ledger_private.merkle_root(leaves bytea[])
returns bytea
language plpgsql
immutable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_level bytea[];
begin
    select array_agg(sha256('\x00'::bytea || l.leaf) order by l.position)
    into v_level
    from unnest(merkle_root.leaves) with ordinality as l (leaf, position);

    while cardinality(v_level) > 1 loop
        select array_agg(
            case
                when n.right_node is null then n.left_node
                else sha256('\x01'::bytea || n.left_node || n.right_node)
            end
            order by n.position
        )
        into v_level
        from (
            select
                l.position,
                l.node as left_node,
                lead(l.node) over (order by l.position) as right_node
            from unnest(v_level) with ordinality as l (node, position)
        ) as n
        where n.position % 2 = 1;
    end loop;
    return coalesce(v_level[1], sha256(''::bytea));
end;
$$;

comment on function ledger_private.merkle_root is
$$Return the Merkle root of RFC 6962 with SHA-256.

leaves: their contents, in order; that of no leaves is the hash of nothing.$$;

revoke execute on function ledger_private.merkle_root
from public, anon, authenticated, service_role;
grant execute on function ledger_private.merkle_root to authenticated, service_role;

-- functions/ledger_private/my_accounts.sql

-- ledger_private.my_accounts: what every policy asks for a holder.
--
-- Pairs: an account's id is the caller's to choose, so it may stand in a second book, whose owner
-- must not learn by it what is in the first.
--
-- Definer, so that it reads without asking the policies that ask it. A set that does not depend on
-- the row, so that a policy evaluates it once a statement, and only where my_books says no.

create or replace function ledger_private.my_accounts()
returns table (book_id uuid, account_id uuid)
language plpgsql
stable
security definer
rows 10
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select h.book_id, h.account_id
    from ledger_private.account_holders as h
    where h.user_id = (select auth.uid());
end;
$$;

comment on function ledger_private.my_accounts is
'Return the books and ids of the accounts that the signed-in user holds.';

revoke execute on function ledger_private.my_accounts
from public, anon, authenticated, service_role;
grant execute on function ledger_private.my_accounts to authenticated;

-- functions/ledger_private/my_books.sql

-- ledger_private.my_books: what every policy asks. Books that she sees in part, as a holder, are
-- not among them: see my_accounts.
--
-- Definer, because the policy of book_members asks it too. One array, so that a policy evaluates it
-- once a statement. PL/pgSQL, because policy and function need each other and its body is bound
-- late.

create or replace function ledger_private.my_books()
returns uuid[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return array(
        select m.book_id
        from ledger_private.book_members as m
        where m.user_id = (select auth.uid()) and m.role <> 'holder'
    );
end;
$$;

comment on function ledger_private.my_books is
'Return the ids of the books of which the signed-in user sees everything.';

revoke execute on function ledger_private.my_books from public, anon, authenticated, service_role;
grant execute on function ledger_private.my_books to authenticated;

-- functions/ledger_private/my_memberships.sql

-- ledger_private.my_memberships: the books in which the signed-in user has any role, holders
-- included: what the policy of books asks, and the first thing that the policy of transactions
-- does. One array, evaluated once a statement: a function of the row would be called for every row
-- of all tenants.

create or replace function ledger_private.my_memberships()
returns uuid[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return array(
        select m.book_id
        from ledger_private.book_members as m
        where m.user_id = (select auth.uid())
    );
end;
$$;

comment on function ledger_private.my_memberships is
'Return the ids of the books of which the signed-in user is a member, in any role.';

revoke execute on function ledger_private.my_memberships
from public, anon, authenticated, service_role;
grant execute on function ledger_private.my_memberships to authenticated;

-- functions/ledger_private/new_ids.sql

-- ledger_private.new_ids: time-ordered ids for a batch, in its order.
--
-- UUIDs version 7 (RFC 9562) with the place in the batch where the version leaves 12 bits: past
-- 4,096 of them the millisecond is counted on.

create or replace function ledger_private.new_ids(number integer)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_millis bigint := (date_part('epoch', clock_timestamp()) * 1000)::bigint;
begin
    return array(
        select encode(
            int8send((v_millis + g.n / 4096 << 16) | 28672 | g.n % 4096)
            || substr(uuid_send(gen_random_uuid()), 9),
            'hex'
        )::uuid
        from generate_series(0, new_ids.number - 1) as g (n)
    );
end;
$$;

comment on function ledger_private.new_ids is 'Make time-ordered UUIDs (version 7), rising.';

revoke execute on function ledger_private.new_ids
from public, anon, authenticated, service_role;

-- functions/ledger_private/open_account.sql

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

-- functions/ledger_private/preview_transfer.sql

-- ledger_private.preview_transfer: the entries of a transfer that is not made. Called by
-- post_transfer only, for a dry run, under the locks.

create or replace function ledger_private.preview_transfer(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint
)
returns ledger.receipt_entry[]
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    return array(
        select row(
            b.account_id, s.amount,
            case b.slots when 1 then b.posted + s.amount end,
            case b.slots when 1 then b.version + 1 end
        )::ledger.receipt_entry
        from (
            values
            (preview_transfer.from_account_id, 1, -preview_transfer.amount),
            (preview_transfer.to_account_id, 2, preview_transfer.amount)
        ) as s (account_id, leg, amount)
        inner join ledger_private.balances as b
            on b.book_id = preview_transfer.book_id and b.account_id = s.account_id
            and b.slot = mod(pg_backend_pid(), b.slots)
        order by s.leg
    );
end;
$$;

comment on function ledger_private.preview_transfer is
'Return what the receipt of a transfer would say. Amount in minor units.';

revoke execute on function ledger_private.preview_transfer
from public, anon, authenticated, service_role;

-- functions/ledger_private/raise_error.sql

-- ledger_private.raise_error: the one way an error leaves the ledger.
--
-- An unknown code is a defect of ours and says so.

create or replace function ledger_private.raise_error(code text, details jsonb default '{}')
returns void
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_error ledger_private.error_catalogue;
begin
    select c.* into strict v_error
    from ledger_private.error_catalogue as c
    where c.code = raise_error.code;

    perform ledger_private.raise_row(v_error, raise_error.details);
end;
$$;

comment on function ledger_private.raise_error is
$$Raise an error of the catalogue.

details: the facts of this case, as a JSON object.$$;

revoke execute on function ledger_private.raise_error
from public, anon, authenticated, service_role;
grant execute on function ledger_private.raise_error to authenticated, service_role;

-- functions/ledger_private/raise_row.sql

-- ledger_private.raise_row: raise an error whose row of the catalogue is at hand.
--
-- PostgREST takes sqlstate PGRST apart into an HTTP status, headers and a body; a SQL caller finds
-- the same JSON in the message.

create or replace function ledger_private.raise_row(
    error ledger_private.error_catalogue,
    details jsonb
)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    raise sqlstate 'PGRST' using
        message = json_build_object(
            'code', (raise_row.error).code,
            'message', (raise_row.error).message,
            'details', raise_row.details::text,
            'hint', (raise_row.error).hint
        )::text,
        detail = json_build_object(
            'status', (raise_row.error).http_status,
            'headers',
            case when (raise_row.error).retryable then '{"Retry-After": "1"}' else '{}' end::json
        )::text;
end;
$$;

comment on function ledger_private.raise_row is
$$Raise an error of the catalogue by its row.

details: the facts of this case, as a JSON object.$$;

revoke execute on function ledger_private.raise_row
from public, anon, authenticated, service_role;

-- functions/ledger_private/read_cursor.sql

-- ledger_private.read_cursor: the entry that a register line's cursor stands for. Runs as the
-- caller. Callers see opaque text, so that its content can change; the letter names the format.
--
-- The entry has to be there: a cursor of another account, or of before a restore, is told apart
-- from the end of the register.

create or replace function ledger_private.read_cursor(book_id uuid, account_id uuid, cursor text)
returns ledger_private.entries
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_key text[] := regexp_match(
        read_cursor.cursor, '^e([0-9]{1,2})-(-?[0-9]{1,17})-([1-9][0-9]{0,17})$'
    );
    v_entry ledger_private.entries;
begin
    select e.* into v_entry
    from ledger_private.entries as e
    where
        e.book_id = read_cursor.book_id
        and e.account_id = read_cursor.account_id
        and e.slot = v_key[1]::smallint
        and e.booked_at = timestamptz 'epoch' + v_key[2]::bigint * interval '1 microsecond'
        and e.version = v_key[3]::bigint;

    if not found and read_cursor.cursor is not null then
        perform ledger_private.raise_error(
            'invalid_cursor', jsonb_build_object('cursor', left(read_cursor.cursor, 64))
        );
    end if;
    return v_entry;
end;
$$;

comment on function ledger_private.read_cursor is
'Return the entry of a cursor, or raise invalid_cursor. Null for null.';

revoke execute on function ledger_private.read_cursor
from public, anon, authenticated, service_role;
grant execute on function ledger_private.read_cursor to authenticated, service_role;

-- functions/ledger_private/read_feed_cursor.sql

-- ledger_private.read_feed_cursor: the transaction that a cursor of the feed stands for. Runs as
-- the caller. Callers see opaque text, so that its content can change; the letter names the format.
--
-- The transaction has to be there, under that number: after a restore the reader's place may be
-- gone, or stand before what she has not read. She then has to begin anew, and is told so.

create or replace function ledger_private.read_feed_cursor(book_id uuid, cursor text)
returns ledger_private.transactions
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_key text[] := regexp_match(
        read_feed_cursor.cursor,
        '^x([1-9][0-9]{0,18})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$'
    );
    v_transaction ledger_private.transactions;
begin
    select t.* into v_transaction
    from ledger_private.transactions as t
    where
        t.book_id = read_feed_cursor.book_id
        and t.id = v_key[2]::uuid
        and t.xid = v_key[1]::xid8
        and t.xid < pg_snapshot_xmax(pg_current_snapshot());

    if not found and read_feed_cursor.cursor is not null then
        perform ledger_private.raise_error(
            'invalid_cursor', jsonb_build_object('cursor', left(read_feed_cursor.cursor, 64))
        );
    end if;
    return v_transaction;
end;
$$;

comment on function ledger_private.read_feed_cursor is
'Return the transaction of a cursor, or raise invalid_cursor. Null for null.';

revoke execute on function ledger_private.read_feed_cursor
from public, anon, authenticated, service_role;
grant execute on function ledger_private.read_feed_cursor to authenticated, service_role;

-- functions/ledger_private/refuse_item.sql

-- ledger_private.refuse_item: refuse a whole batch for one of its items. Called by post_items only.

create or replace function ledger_private.refuse_item(
    mode text,
    code text,
    details jsonb,
    ordinal integer
)
returns void
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.raise_error(refuse_item.code, refuse_item.details || case
        when refuse_item.mode = 'single' then '{}'
        else jsonb_build_object('ordinal', refuse_item.ordinal)
    end);
end;
$$;

comment on function ledger_private.refuse_item is
'Raise the error of one item; in a batch its details name the item.';

revoke execute on function ledger_private.refuse_item
from public, anon, authenticated, service_role;

-- functions/ledger_private/register_page.sql

-- ledger_private.register_page: a page of an account's register. Runs as the caller. One range of
-- the index, read from its end: a page costs the same wherever it stands.

create or replace function ledger_private.register_page(
    account ledger.accounts,
    page_size integer,
    before text
)
returns setof ledger.register_line
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
-- One plan for books of all sizes: the planner takes an unknown page size for a tenth of the rows,
-- and would plan each page of a large book anew.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_before ledger_private.entries := ledger_private.read_cursor(
        register_page.account.book_id, register_page.account.id, register_page.before
    );
    -- Not in the query: under row level security an index takes no condition that has coalesce.
    v_booked_at timestamptz := coalesce(v_before.booked_at, 'infinity');
    v_version bigint := coalesce(v_before.version, 0);
begin
    if register_page.account.slots > 1 then
        return query
        select l.*
        from ledger_private.merged_page(
            register_page.account.book_id, register_page.account.id, register_page.page_size, v_before
        ) as l;
        return;
    end if;

    return query
    select
        r.transaction_id, r.leg, r.kind, r.booked_at, r.effective_on, r.description, r.amount,
        r.balance_after, r.version, r.cursor
    from ledger_private.register as r
    where
        r.book_id = register_page.account.book_id
        and r.account_id = register_page.account.id
        and r.slot = 0
        and (r.booked_at, r.version) < (v_booked_at, v_version)
    order by r.booked_at desc, r.version desc
    limit register_page.page_size;
end;
$$;

comment on function ledger_private.register_page is
'Return entries of an account, newest first, below a cursor.';

revoke execute on function ledger_private.register_page
from public, anon, authenticated, service_role;
grant execute on function ledger_private.register_page to authenticated, service_role;

-- functions/ledger_private/require_zero_sum.sql

-- ledger_private.require_zero_sum: no statement writes half a transaction.
--
-- Every transaction that an INSERT touches arrives whole: its lines sum to zero in each currency,
-- and it was made by this very database transaction, so nothing is added to an older one. Runs once
-- a statement, on its new rows alone.
--
-- Tests   tests/integration/ledger_private/test_require_zero_sum.py

create or replace function ledger_private.require_zero_sum()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_transaction_id uuid;
begin
    select n.transaction_id into v_transaction_id
    from new_entries as n
    group by n.book_id, n.transaction_id, n.currency
    having
        sum(n.amount) <> 0
        or not exists (
            select from ledger_private.transactions as t
            where
                t.book_id = n.book_id
                and t.id = n.transaction_id
                and t.xid = pg_current_xact_id()
        )
    limit 1;

    if found then
        perform ledger_private.raise_error(
            'unbalanced', jsonb_build_object('transaction_id', v_transaction_id)
        );
    end if;
    return null;
end;
$$;

comment on function ledger_private.require_zero_sum is
'Refuse entries that do not make whole, balanced transactions.';

revoke execute on function ledger_private.require_zero_sum
from public, anon, authenticated, service_role;

-- functions/ledger_private/restart_feed.sql

-- ledger_private.restart_feed: after a logical restore the numbers of database transactions begin
-- anew, and what was written under larger ones lies in the future: the feed would hold it back for
-- years and mix it with new postings. All transactions move to the feed's beginning, in the order
-- of their ids, which is the order of time. See docs/how-to/restore-a-feed.md.
--
-- For the owner of the schema, by hand. Takes the lock of a change of the table: postings wait.
--
-- Tests   tests/integration/ledger_private/test_restart_feed.py

create or replace function ledger_private.restart_feed()
returns bigint
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    -- The first number that a transaction can have.
    v_first constant xid8 := '3'::xid8;
    v_moved bigint := 0;
begin
    lock table ledger_private.transactions in share row exclusive mode;
    if exists (
        select from ledger_private.transactions as t
        where t.xid >= pg_snapshot_xmax(pg_current_snapshot())
    ) then
        alter table ledger_private.transactions disable trigger transactions_are_final;
        update ledger_private.transactions as t set xid = v_first where t.xid <> v_first;
        get diagnostics v_moved = row_count;
        alter table ledger_private.transactions enable trigger transactions_are_final;
    end if;
    return v_moved;
end;
$$;

comment on function ledger_private.restart_feed is
$$Put all transactions at the beginning of the feed, where some have numbers of the future.

Returns how many were moved; readers of changes_since begin anew.$$;

revoke execute on function ledger_private.restart_feed
from public, anon, authenticated, service_role;

-- functions/ledger_private/set_account_status.sql

-- ledger_private.set_account_status: the engine behind freeze_account and unfreeze_account.
-- Repeating it changes nothing; a closed account stays closed.

create or replace function ledger_private.set_account_status(
    book_id uuid,
    account_id uuid,
    status text
)
returns ledger.accounts
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account ledger.accounts;
begin
    perform ledger_private.check_argument(
        'status', set_account_status.status in ('open', 'frozen'), 'open or frozen'
    );
    perform ledger_private.enter_book(set_account_status.book_id, 'owner');
    v_account := ledger_private.lock_account(
        set_account_status.book_id, set_account_status.account_id
    );

    if v_account.status = 'closed' then
        perform ledger_private.raise_error(
            'account_closed', jsonb_build_object('account_id', v_account.id)
        );
    end if;

    update ledger_private.balances as b
    set status = set_account_status.status
    where
        b.book_id = set_account_status.book_id and b.account_id = set_account_status.account_id;
    return ledger_private.find_account(set_account_status.book_id, set_account_status.account_id);
end;
$$;

comment on function ledger_private.set_account_status is 'Freeze an account or open it again.';

revoke execute on function ledger_private.set_account_status
from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_account_status to authenticated, service_role;

-- functions/ledger_private/set_balance_limits.sql

-- ledger_private.set_balance_limits: the engine behind ledger.set_balance_limits.
--
-- A limit that the balance already breaks is refused, so that "nobody is below the floor" holds at
-- every moment.

create or replace function ledger_private.set_balance_limits(
    book_id uuid,
    account_id uuid,
    min_balance bigint,
    max_balance bigint
)
returns ledger.accounts
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account ledger.accounts;
begin
    perform ledger_private.check_limits(
        set_balance_limits.min_balance, set_balance_limits.max_balance
    );
    perform ledger_private.enter_book(set_balance_limits.book_id, 'owner');
    v_account := ledger_private.lock_account(
        set_balance_limits.book_id, set_balance_limits.account_id
    );

    perform ledger_private.check_argument(
        'min_balance',
        v_account.slots = 1
        or num_nonnulls(set_balance_limits.min_balance, set_balance_limits.max_balance) = 0,
        'null, as max_balance: an account with several slots has no limits'
    );
    if v_account.posted - v_account.held < set_balance_limits.min_balance then
        perform ledger_private.raise_error('insufficient_funds', jsonb_build_object(
            'account_id', v_account.id,
            'available', v_account.posted - v_account.held,
            'required', set_balance_limits.min_balance
        ));
    elsif v_account.posted > set_balance_limits.max_balance then
        perform ledger_private.raise_error('limit_exceeded', jsonb_build_object(
            'account_id', v_account.id,
            'max_balance', set_balance_limits.max_balance,
            'balance', v_account.posted
        ));
    end if;

    update ledger_private.balances as b
    set min_balance = set_balance_limits.min_balance, max_balance = set_balance_limits.max_balance
    where
        b.book_id = set_balance_limits.book_id and b.account_id = set_balance_limits.account_id;
    return ledger_private.find_account(set_balance_limits.book_id, set_balance_limits.account_id);
end;
$$;

comment on function ledger_private.set_balance_limits is
$$Set floor and ceiling of an account: the engine of ledger.set_balance_limits. Minor units, null
for none.$$;

revoke execute on function ledger_private.set_balance_limits
from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_balance_limits to authenticated, service_role;

-- functions/ledger_private/set_member.sql

-- ledger_private.set_member: the engine behind ledger.set_member. Under the exclusive lock: a
-- posting that has read the old role must end first.

create or replace function ledger_private.set_member(book_id uuid, user_id uuid, role text)
returns ledger.members
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_member ledger.members;
begin
    perform ledger_private.check_argument(
        'role',
        set_member.role in ('owner', 'editor', 'viewer', 'holder'),
        'owner, editor, viewer or holder'
    );
    perform ledger_private.enter_book(set_member.book_id, 'owner', exclusive => true);

    if set_member.role <> 'owner' then
        perform ledger_private.keep_an_owner(set_member.book_id, set_member.user_id);
    end if;
    begin
        insert into ledger_private.book_members as m (book_id, user_id, role)
        values (set_member.book_id, set_member.user_id, set_member.role)
        on conflict on constraint book_members_pkey do update set role = excluded.role
        returning m.book_id, m.user_id, m.role, m.created_at into v_member;

        delete from ledger_private.account_holders as h
        where
            set_member.role <> 'holder'
            and h.book_id = set_member.book_id
            and h.user_id = set_member.user_id;
    exception
        when foreign_key_violation or not_null_violation then
            perform ledger_private.raise_error(
                'user_not_found', jsonb_build_object('user_id', set_member.user_id)
            );
        when lock_not_available then
            -- The user is being deleted.
            perform ledger_private.raise_error(
                'busy', jsonb_build_object('user_id', set_member.user_id)
            );
    end;
    return v_member;
end;
$$;

comment on function ledger_private.set_member is
'Give a user a role in a book: the engine of ledger.set_member.';

revoke execute on function ledger_private.set_member from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_member to authenticated, service_role;

-- functions/ledger_private/shift_value.sql

-- ledger_private.shift_value: book-keeping for value dates that differ from the day of booking, see
-- sql/ledger_private/value_shifts.sql. Called by the engine only, under the balance rows' locks.

create or replace function ledger_private.shift_value(book_id uuid, transaction_ids uuid[])
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    insert into ledger_private.value_shifts as v (
        book_id, account_id, slot, grain, starts_on, amount
    )
    select e.book_id, e.account_id, e.slot, s.grain, s.starts_on, sum(s.amount)
    from ledger_private.entries as e
    cross join lateral (
        values
        ('day', e.dated, e.amount::numeric),
        ('day', (e.booked_at at time zone 'UTC')::date, -e.amount::numeric),
        ('month', date_trunc('month', e.dated::timestamp)::date, e.amount::numeric),
        ('month', date_trunc('month', e.booked_at at time zone 'UTC')::date, -e.amount::numeric)
    ) as s (grain, starts_on, amount)
    where
        e.book_id = shift_value.book_id
        and e.transaction_id = any(shift_value.transaction_ids)
        and e.dated is not null
    group by e.book_id, e.account_id, e.slot, s.grain, s.starts_on
    having sum(s.amount) <> 0
    on conflict on constraint value_shifts_pkey do update set amount = v.amount + excluded.amount;
end;
$$;

comment on function ledger_private.shift_value is
'Add the entries of transactions whose value date is not the day of their booking to value_shifts.';

revoke execute on function ledger_private.shift_value
from public, anon, authenticated, service_role;

-- functions/ledger_private/statement_of.sql

-- ledger_private.statement_of: the statement of an account. Runs as the caller; stable, so all of
-- it reads one snapshot.
--
-- Lines are the entries that were booked on these days, but for those with another value date, and
-- those of other days that are dated here: two ranges of indexes. The rest of the account is never
-- read: the opening balance is that of the day before.
--
-- A back-dated booking has a late version and an early date: balances run in value-date order here,
-- not as booked. So they may pass the range that each posting kept to: they are folded into it, so
-- that the casts hold, and refused where folding changed one.

create or replace function ledger_private.statement_of(
    book_id uuid,
    account_id uuid,
    from_date date,
    to_date date
)
returns ledger.statement
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Infinite dates take everything: value dates are of the years 1 to 9999.
    v_before date := least(greatest(statement_of.from_date, '0001-01-01') - 1, '9999-12-31');
    v_to date := greatest(least(statement_of.to_date, '9999-12-31'), v_before);
    v_slots smallint[] := array(
        select b.slot
        from ledger_private.balances as b
        where b.book_id = statement_of.book_id and b.account_id = statement_of.account_id
    );
    v_statement ledger.statement;
    v_widest numeric;
begin
    select b.account_id, b.currency, b.posted
    into v_statement.account_id, v_statement.currency, v_statement.opening
    from ledger_private.balances_at(
        statement_of.book_id, array[statement_of.account_id], null, v_before
    ) as b;

    with found as (
        select r.*
        from ledger_private.register as r
        where
            r.book_id = statement_of.book_id
            and r.account_id = statement_of.account_id
            and r.slot = any(v_slots)
            and r.booked_at >= (v_before + 1)::timestamp at time zone 'UTC'
            and r.booked_at < (v_to + 1)::timestamp at time zone 'UTC'
            and r.dated is null
        union all
        select r.*
        from ledger_private.register as r
        where
            r.book_id = statement_of.book_id
            and r.account_id = statement_of.account_id
            and r.dated > v_before
            and r.dated <= v_to
    ),

    numbered as (
        select
            f.*,
            case when cardinality(v_slots) = 1 then f.version end as single_version,
            row_number() over (
                order by
                    f.effective_on,
                    f.booked_at,
                    case when cardinality(v_slots) = 1 then f.version end,
                    f.transaction_id,
                    f.leg
            ) as number
        from found as f
    ),

    lines as materialized (
        select n.*, v_statement.opening + sum(n.amount) over (order by n.number) as balance
        from numbered as n
    )

    select
        max(abs(l.balance)),
        (v_statement.opening + coalesce(sum(l.amount), 0)) % 9007199254740992,
        coalesce(array_agg(
            row(
                l.transaction_id, l.leg, l.kind, l.booked_at, l.effective_on, l.description,
                l.amount, l.balance % 9007199254740992, l.single_version, l.cursor
            )::ledger.register_line
            order by l.number
        ), '{}')
    into v_widest, v_statement.closing, v_statement.lines
    from lines as l;

    perform ledger_private.check_range(statement_of.account_id, v_widest);
    return v_statement;
end;
$$;

comment on function ledger_private.statement_of is
'Return opening, lines and closing between two value dates.';

revoke execute on function ledger_private.statement_of
from public, anon, authenticated, service_role;
grant execute on function ledger_private.statement_of to authenticated, service_role;

-- functions/ledger_private/touches_my_accounts.sql

-- ledger_private.touches_my_accounts: whether a holder may see a transaction.
--
-- A function of its own, and definer: as a subquery of the policy it would be planned for everybody
-- who reads transactions, and could become a scan of all entries.

create or replace function ledger_private.touches_my_accounts(book_id uuid, transaction_id uuid)
returns boolean
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select
        from ledger_private.entries as e
        inner join ledger_private.account_holders as h
            on h.book_id = e.book_id and h.account_id = e.account_id
        where
            e.book_id = touches_my_accounts.book_id
            and e.transaction_id = touches_my_accounts.transaction_id
            and h.user_id = (select auth.uid())
    );
end;
$$;

comment on function ledger_private.touches_my_accounts is
'Return whether a transaction has an entry on an account that the signed-in user holds.';

revoke execute on function ledger_private.touches_my_accounts
from public, anon, authenticated, service_role;
grant execute on function ledger_private.touches_my_accounts to authenticated;

-- functions/ledger_private/update_account.sql

-- ledger_private.update_account: the engine behind ledger.update_account.
--
-- A new code takes the book's lock exclusively: two accounts that swap codes at once would wait for
-- each other. So does payable: a holder's posting that has read it must end first.

create or replace function ledger_private.update_account(
    book_id uuid,
    account_id uuid,
    name text,
    code text,
    payable boolean,
    external_id text,
    metadata jsonb
)
returns ledger.accounts
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_account(
        update_account.name, update_account.code, update_account.external_id,
        update_account.metadata
    );
    perform ledger_private.enter_book(
        update_account.book_id, 'editor',
        exclusive => num_nonnulls(update_account.code, update_account.payable) > 0
    );
    perform ledger_private.lock_account(update_account.book_id, update_account.account_id);

    begin
        update ledger_private.accounts as a
        set
            name = coalesce(update_account.name, a.name),
            code = coalesce(update_account.code, a.code),
            payable = coalesce(update_account.payable, a.payable),
            external_id = coalesce(update_account.external_id, a.external_id),
            metadata = coalesce(update_account.metadata, a.metadata)
        where a.book_id = update_account.book_id and a.id = update_account.account_id;
    exception
        when unique_violation then
            perform ledger_private.raise_error(
                'duplicate_code', jsonb_build_object('code', update_account.code)
            );
        when lock_not_available then
            perform ledger_private.raise_error(
                'busy', jsonb_build_object('account_id', update_account.account_id)
            );
    end;
    return ledger_private.find_account(update_account.book_id, update_account.account_id);
end;
$$;

comment on function ledger_private.update_account is
'Change the words of an account: the engine of ledger.update_account. Null leaves as is.';

revoke execute on function ledger_private.update_account
from public, anon, authenticated, service_role;
grant execute on function ledger_private.update_account to authenticated, service_role;

-- functions/ledger_private/verify_book.sql

-- ledger_private.verify_book: the engine of ledger.verify_book.
--
-- Runs as the owner: row level security would ask of each entry what is asked here once of the
-- book, and functions in its policies keep a query from running in parallel.

create or replace function ledger_private.verify_book(book_id uuid)
returns setof ledger.check_result
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_user uuid := ledger_private.caller();
begin
    if v_user is not null and not exists (
        select from ledger_private.book_members as m
        where m.book_id = verify_book.book_id and m.user_id = v_user and m.role <> 'holder'
    ) then
        perform ledger_private.raise_error(
            'book_not_found', jsonb_build_object('book_id', verify_book.book_id)
        );
    end if;
    return query select c.* from ledger_private.check_transactions(verify_book.book_id) as c;
    return query select c.* from ledger_private.check_entries(verify_book.book_id) as c;
    return query select c.* from ledger_private.check_balances(verify_book.book_id) as c;
    return query select c.* from ledger_private.check_follow_ups(verify_book.book_id) as c;
    return query select c.* from ledger_private.check_rules(verify_book.book_id) as c;
end;
$$;

comment on function ledger_private.verify_book is
'Run every check of a book, for who may see the whole of it.';

revoke execute on function ledger_private.verify_book
from public, anon, authenticated, service_role;
grant execute on function ledger_private.verify_book to authenticated, service_role;

-- functions/ledger_private/words.sql

-- ledger_private.words: the optional part of a request, for its hash. What is absent or at its
-- default is left out, so that a word added later does not turn a replay into a mismatch. Called by
-- the engine only.

create or replace function ledger_private.words(
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
)
returns text
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    return jsonb_strip_nulls(jsonb_build_object(
        'effective_on', words.effective_on,
        'description', words.description,
        'external_id', words.external_id,
        -- As text: its nulls are part of it.
        'metadata', nullif(words.metadata, '{}')::text
    ))::text;
end;
$$;

comment on function ledger_private.words is 'Return the optional words of a posting as text.';

revoke execute on function ledger_private.words
from public, anon, authenticated, service_role;

-- sql/ledger/accounts.sql

-- Accounts with their current balances, as callers see them; also what the account functions
-- return. An account with several slots is the sum of them.

create or replace view ledger.accounts with (security_invoker = true) as
select
    a.id,
    a.book_id,
    a.code,
    a.name,
    a.type,
    a.currency,
    b.min_balance::bigint as min_balance,
    b.max_balance::bigint as max_balance,
    a.payable,
    b.slots,
    b.status::text as status,
    a.external_id,
    a.metadata,
    a.created_at,
    case when b.slots = 1 then b.posted else s.posted end::bigint as posted,
    b.held::bigint as held,
    -- null without a floor; never beyond what JSON holds exactly
    case
        when b.min_balance is not null
            then least(b.posted - b.held - b.min_balance, 9007199254740991)
    end as available,
    case when b.slots = 1 then b.version end as version
from ledger_private.accounts as a
inner join ledger_private.balances as b
    on b.book_id = a.book_id and b.account_id = a.id and b.slot = 0
left join lateral (
    select sum(x.posted)::bigint as posted
    from ledger_private.balances as x
    where x.book_id = b.book_id and x.account_id = b.account_id and b.slots > 1
) as s on b.slots > 1;

comment on view ledger.accounts is
$$Accounts of your books with current balances, in minor units. version is null where an account has
several slots.$$;

revoke all on table ledger.accounts from public, anon, authenticated, service_role;
grant select on table ledger.accounts to authenticated, service_role;

-- sql/ledger/chain_head.sql

-- The end of one hash chain.

create type ledger.chain_head as (
    account_id uuid,
    slot smallint,
    version bigint,
    hash text
);

comment on type ledger.chain_head is
'The last entry of an account and slot: its number and its SHA-256, in hexadecimal.';

-- sql/ledger/change.sql

-- One line of the feed.

create type ledger.change as (
    cursor text,
    transaction_id uuid,
    kind text,
    posted_at timestamptz,
    effective_on date,
    entries ledger.receipt_entry []
);

comment on type ledger.change is
'A transaction in the order of the feed. cursor: pass it as `after` for what follows.';

-- sql/ledger/checkpoint.sql

-- What export_checkpoint returns.

create type ledger.checkpoint as (
    book_id uuid,
    taken_at timestamptz,
    entries bigint,
    root text,
    heads ledger.chain_head []
);

comment on type ledger.checkpoint is
$$All chains of a book at one moment: number of entries, heads by account and slot, and the Merkle
root over the heads (RFC 6962 prefixes, SHA-256, hexadecimal).$$;

-- sql/ledger/entries.sql

-- Entries as callers see them.

create or replace view ledger.entries with (security_invoker = true) as
select
    e.book_id,
    e.account_id,
    e.slot,
    e.version,
    e.transaction_id,
    e.leg,
    e.amount::bigint as amount,
    e.balance_after::bigint as balance_after,
    e.booked_at,
    coalesce(e.dated, (e.booked_at at time zone 'UTC')::date) as effective_on,
    encode(e.hash, 'hex') as hash
from ledger_private.entries as e;

comment on view ledger.entries is
$$Entries of your books: signed amounts and running balances, in minor units. hash: SHA-256 of the
entry and the one before it, in hexadecimal.$$;

revoke all on table ledger.entries from public, anon, authenticated, service_role;
grant select on table ledger.entries to authenticated, service_role;

-- sql/ledger/entry_input.sql

-- One line of a posting, as post_transaction takes it.

create type ledger.entry_input as (
    account_id uuid,
    amount bigint
);

comment on type ledger.entry_input is
'An account and what it gets, in minor units: negative is taken from it.';

-- sql/ledger/expectation.sql

-- What a caller wants to hold of an account at the moment of the posting, under its locks.

create type ledger.expectation as (
    account_id uuid,
    version bigint,
    available_gte bigint,
    posted_eq bigint
);

comment on type ledger.expectation is
$$A condition on an account, before the posting: its version, its posted balance, or what is
available at least, in minor units; one of the three or more. Else version_conflict.$$;

-- sql/ledger/members.sql

-- Members as callers see them; also what set_member and remove_member return.

create or replace view ledger.members with (security_invoker = true) as
select
    m.book_id,
    m.user_id,
    m.role,
    m.created_at
from ledger_private.book_members as m;

comment on view ledger.members is 'Members of your books: role owner, editor, viewer or holder.';

revoke all on table ledger.members from public, anon, authenticated, service_role;
grant select on table ledger.members to authenticated, service_role;

-- sql/ledger/posting_result.sql

-- What post_transactions returns for each item.

create type ledger.posting_result as (
    ordinal integer,
    receipt ledger.receipt,
    error_code text,
    error_details jsonb
);

comment on type ledger.posting_result is
$$The result of one item of a batch, numbered from 1: a receipt, or the code and details of its
refusal.$$;

-- sql/ledger/transaction_input.sql

-- One item of a batch, as post_transactions takes it.

create type ledger.transaction_input as (
    entries ledger.entry_input [],
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
);

comment on type ledger.transaction_input is
'A transaction of a batch, with its own idempotency key, value date and words.';

-- sql/ledger_private/account_groups.sql

-- A joint floor: what the member accounts have together, posted less held, stays at or above
-- min_total, though each alone may go lower.
--
-- The row is the lock: every posting on a member takes it and raises its version, so that the sum
-- that one posting has checked is not changed by another on a different member.

create table ledger_private.account_groups (
    book_id uuid not null,
    id uuid not null,
    name text not null,
    min_total ledger_private.minor_units not null,
    version bigint not null default 0,
    created_at timestamptz not null default clock_timestamp(),
    constraint account_groups_pkey primary key (book_id, id),
    constraint account_groups_book_id_fkey foreign key (book_id)
    references ledger_private.books (id),
    constraint account_groups_name_length check (octet_length(name) between 1 and 255)
);

alter table ledger_private.account_groups enable row level security;
create policy groups_of_members on ledger_private.account_groups for select to authenticated
using (book_id = any((select ledger_private.my_books())::uuid[]));

revoke all on table ledger_private.account_groups from public, anon, authenticated, service_role;
grant select on table ledger_private.account_groups to authenticated, service_role;

comment on table ledger_private.account_groups is 'Joint floors over several accounts.';
comment on column ledger_private.account_groups.min_total is
'Floor of the sum of posted − held of the members, in minor units.';
comment on column ledger_private.account_groups.version is 'Raised by every posting on a member.';

-- sql/ledger_private/account_holders.sql

-- Which accounts a holder sees, and from which she may spend. A holder is a member with the role
-- holder: a customer of a wallet app, who may call it from her browser.
--
-- Rows change only under the exclusive lock of their book, so that a posting that has just read
-- them is not overtaken. They go with the membership, which goes with the user.

create table ledger_private.account_holders (
    book_id uuid not null,
    account_id uuid not null,
    user_id uuid not null,
    access text not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint account_holders_pkey primary key (book_id, account_id, user_id),
    constraint account_holders_account_fkey foreign key (book_id, account_id)
    references ledger_private.accounts (book_id, id),
    constraint account_holders_member_fkey foreign key (book_id, user_id)
    references ledger_private.book_members (book_id, user_id) on delete cascade,
    constraint account_holders_access_known check (access in ('view', 'spend'))
);

-- my_accounts(): every policy asks for the accounts of one user; the membership's cascade.
create index account_holders_user_id_idx
on ledger_private.account_holders (user_id, book_id, account_id);

alter table ledger_private.account_holders enable row level security;
create policy holders_of_members on ledger_private.account_holders for select to authenticated
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or user_id = (select auth.uid())
);

revoke all on table ledger_private.account_holders from public, anon, authenticated, service_role;
grant select on table ledger_private.account_holders to authenticated, service_role;

comment on table ledger_private.account_holders is
'Accounts that holders see (view) or also spend from (spend).';

-- sql/ledger_private/door.sql

-- What enter_book found out: who acts in the book, as what, and which rules her postings meet.

create type ledger_private.door as (
    user_id uuid,
    role text,
    has_groups boolean,
    has_periods boolean,
    archived boolean
);

comment on type ledger_private.door is
$$A caller inside a book. user_id: null for service_role and the owner of the schema, who count as
owners. archived: entered for a replay only.$$;

-- sql/ledger_private/holds.sql

-- Money set aside: it counts against available until the hold is captured (which posts it),
-- released or expired. balances.held is the sum of what pending holds still reserve.
--
-- State changes only under the lock of the account's balance row, then of the hold's own.

create table ledger_private.holds (
    book_id uuid not null,
    id uuid not null,
    account_id uuid not null,
    to_account_id uuid not null,
    amount ledger_private.minor_units not null,
    captured ledger_private.minor_units not null default 0,
    released ledger_private.minor_units not null default 0,
    expires_at timestamptz,
    state text not null default 'pending',
    description text,
    metadata jsonb not null default '{}',
    created_by uuid,
    created_at timestamptz not null default clock_timestamp(),
    request_hash bytea not null,
    constraint holds_pkey primary key (book_id, id),
    constraint holds_account_fkey foreign key (book_id, account_id)
    references ledger_private.accounts (book_id, id),
    constraint holds_to_account_fkey foreign key (book_id, to_account_id)
    references ledger_private.accounts (book_id, id),
    constraint holds_state_known check (state in ('pending', 'captured', 'released', 'expired')),
    -- What is reserved is captured, given back, or still pending; so the amount is above zero.
    constraint holds_add_up check (
        captured >= 0
        and released >= 0
        and case state
            when 'pending' then released = 0 and captured < amount
            when 'captured' then captured > 0 and captured + released = amount
            else released > 0 and captured + released = amount
        end
    ),
    constraint holds_description_length check (octet_length(description) <= 1000),
    constraint holds_metadata_is_object check (
        jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384
    )
);

-- What an account still has reserved.
create index holds_pending_idx on ledger_private.holds (book_id, account_id)
where state = 'pending';

-- expire_holds: what is overdue.
create index holds_expiry_idx on ledger_private.holds (book_id, expires_at)
where state = 'pending' and expires_at is not null;

create trigger holds_are_kept
before delete or truncate on ledger_private.holds
for each statement execute function ledger_private.refuse_change();

alter table ledger_private.holds enable row level security;
create policy holds_of_members on ledger_private.holds for select to authenticated
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or (book_id, account_id) in (
        select
            h.book_id,
            h.account_id
        from ledger_private.my_accounts() as h
    )
);

revoke all on table ledger_private.holds from public, anon, authenticated, service_role;
grant select on table ledger_private.holds to authenticated, service_role;

comment on table ledger_private.holds is 'Reservations of money: pending until captured or let go.';
comment on column ledger_private.holds.captured is 'Posted so far, in minor units.';
comment on column ledger_private.holds.released is 'Given back, in minor units.';
comment on column ledger_private.holds.request_hash is
'SHA-256 of the call that made it: tells a repeat from another.';

-- sql/ledger_private/item.sql

-- One transaction of a batch on its way: what the caller sent, its id and hash, and what has become
-- of it so far.

create type ledger_private.item as (
    ordinal integer,
    id uuid,
    request_hash bytea,
    code text,
    details jsonb,
    entries ledger.entry_input [],
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb
);

comment on type ledger_private.item is
$$A transaction of a batch. ordinal: from 1. code and details: its refusal, null while there is
none.$$;

-- sql/ledger_private/leg.sql

-- One side of a posting, as the engine takes it.

create type ledger_private.leg as (
    ordinal integer,
    leg smallint,
    account_id uuid,
    slot smallint,
    amount bigint,
    held bigint,
    transaction_id uuid,
    effective_on date
);

comment on type ledger_private.leg is
$$One side of a posting. ordinal: its item in a batch, from 1. slot: null for this session's own.
held: what the posting adds to the account's held; negative for a capture.$$;

-- sql/ledger_private/line.sql

-- An entry on its way into the roll: decided and hashed, not yet written.

create type ledger_private.line as (
    ordinal integer,
    leg smallint,
    account_id uuid,
    transaction_id uuid,
    version bigint,
    amount bigint,
    balance_after bigint,
    slot smallint,
    slots smallint,
    dated date,
    currency text,
    hash bytea
);

comment on type ledger_private.line is
'An entry to be written. ordinal: its item in a batch, from 1.';

-- sql/ledger_private/period_locks.sql

-- Closed periods: no booking with a value date inside, both days included. Periods may overlap.
--
-- Rows change only under the exclusive lock of their book: a posting that has just found its date
-- free must end first.

create table ledger_private.period_locks (
    book_id uuid not null,
    from_date date not null,
    to_date date not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint period_locks_pkey primary key (book_id, from_date, to_date),
    constraint period_locks_book_id_fkey foreign key (book_id) references ledger_private.books (id),
    constraint period_locks_in_order check (from_date <= to_date)
);

alter table ledger_private.period_locks enable row level security;
create policy periods_of_members on ledger_private.period_locks for select to authenticated
using (book_id = any((select ledger_private.my_books())::uuid[]));

revoke all on table ledger_private.period_locks from public, anon, authenticated, service_role;
grant select on table ledger_private.period_locks to authenticated, service_role;

comment on table ledger_private.period_locks is
'Periods in which nothing may be booked, by value date, both days included.';

-- sql/ledger_private/receipt_lines.sql

-- The entries of transactions as receipts and the feed show them. Seen with the rights of who
-- reads: a holder finds only the entries of her accounts.

create view ledger_private.receipt_lines with (security_invoker = true) as
select
    e.book_id,
    e.transaction_id,
    e.leg,
    row(
        e.account_id,
        e.amount,
        case when b.slots = 1 then e.balance_after end,
        case when b.slots = 1 then e.version end
    )::ledger.receipt_entry as line
from ledger_private.entries as e
cross join
    lateral (
        select x.slots
        from ledger_private.balances as x
        where x.book_id = e.book_id and x.account_id = e.account_id and x.slot = e.slot
        -- Keeps it one probe for each entry, see ledger_private.register.
        offset 0 -- noqa: AM09
    ) as b;

comment on view ledger_private.receipt_lines is
'Entries of one transaction at a time; without balances where an account has several slots.';

revoke all on table ledger_private.receipt_lines from public, anon, authenticated, service_role;
grant select on table ledger_private.receipt_lines to authenticated, service_role;

-- sql/ledger_private/register.sql

-- An account's entries with the words of their transactions: what registers and statements read.
-- Seen with the rights of who reads.

drop view ledger_private.register;

create view ledger_private.register with (security_invoker = true) as
select
    e.book_id,
    e.account_id,
    e.slot,
    e.dated,
    e.transaction_id,
    e.leg,
    t.kind,
    e.booked_at,
    t.effective_on,
    t.description,
    e.amount::bigint as amount,
    e.balance_after::bigint as balance_after,
    e.version,
    -- The entry's key in its account, as read_cursor reads it.
    concat(
        'e', e.slot, '-', (extract(epoch from e.booked_at) * 1000000)::bigint, '-', e.version
    ) as cursor
from ledger_private.entries as e
cross join
    lateral (
        select
            x.kind,
            x.effective_on,
            x.description
        from ledger_private.transactions as x
        where x.book_id = e.book_id and x.id = e.transaction_id
        -- Keeps it one probe for each entry: under row level security, and where statistics are
        -- old, the planner may prefer to read the book's transactions for each.
        offset 0 -- noqa: AM09
    ) as t;

comment on view ledger_private.register is
'Entries with their transactions, for one account at a time.';

revoke all on table ledger_private.register from public, anon, authenticated, service_role;
grant select on table ledger_private.register to authenticated, service_role;

-- sql/ledger_private/value_shifts.sql

-- How far the balance by value date is from the balance by booking order. An entry that is booked
-- on another day than its value date adds its amount at the value date and takes it off at the day
-- of its booking; the sum of all shifts up to a day, added to the balance that was booked by the
-- end of that day, is the balance by value date. Most entries have no shift and write nothing here.
--
-- Summed by month and by day: up to a day there are the months before, and at most 31 days.
-- Written under the lock of the balance row of the same slot.

create table ledger_private.value_shifts (
    book_id uuid not null,
    account_id uuid not null,
    slot smallint not null,
    -- 'month' or 'day'
    grain text not null,
    starts_on date not null,
    amount numeric not null,
    constraint value_shifts_pkey primary key (book_id, account_id, grain, starts_on, slot)
);

alter table ledger_private.value_shifts enable row level security;
create policy shifts_of_members on ledger_private.value_shifts for select to authenticated
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or (book_id, account_id) in (
        select
            h.book_id,
            h.account_id
        from ledger_private.my_accounts() as h
    )
);

revoke all on table ledger_private.value_shifts from public, anon, authenticated, service_role;
grant select on table ledger_private.value_shifts to authenticated, service_role;

comment on table ledger_private.value_shifts is
'Differences between balances by value date and by booking, summed by month and by day.';
comment on column ledger_private.value_shifts.amount is
'Minor units; a sum of entries, so numeric.';

-- sql/seed/error_catalogue.sql

-- reference rows: ledger_private.error_catalogue
-- A code here, an exception class in the client, a test: the three are compared.

insert into ledger_private.error_catalogue (code, http_status, retryable, message, hint) values
(
    'invalid_argument', 400, false,
    'An argument is missing, malformed or out of range.',
    'See details: argument and reason. Mend the call.'
),
(
    'invalid_amount', 400, false,
    'The amount is not a positive number of minor units.',
    'Send a whole number from 1 to 9007199254740991; with two places 1234 is 12.34.'
),
(
    'invalid_cursor', 400, false,
    'The cursor is not one that this function returned.',
    'Pass the cursor of a line unchanged, or leave it out to begin anew.'
),
(
    'amount_out_of_range', 400, false,
    'A balance would leave the range that JSON holds exactly.',
    'Balances stay within ±9007199254740991 minor units: split the account.'
),
(
    'wrong_isolation', 400, false,
    'The function runs at a stronger isolation level than the caller''s transaction has.',
    'Begin the transaction with isolation level serializable, or call through the API.'
),
(
    'forbidden', 403, false,
    'Your role in this book does not allow this.',
    'See details: required. Ask an owner of the book.'
),
(
    'book_not_found', 404, false,
    'There is no such book, or you are not a member of it.',
    'Check book_id and whose token the call carries.'
),
(
    'account_not_found', 404, false,
    'There is no such account in this book, or you may not see it.',
    'Check account_id and book_id.'
),
(
    'member_not_found', 404, false,
    'The user is not a member of this book.',
    'List the book''s members.'
),
(
    'user_not_found', 404, false,
    'There is no such user.',
    'The user has to sign up first.'
),
(
    'transaction_not_found', 404, false,
    'There is no such transaction in this book, or you may not see it.',
    'For who sees the whole book: nothing was posted under this id or key.'
),
(
    'hold_not_found', 404, false,
    'There is no such hold in this book, or you may not see it.',
    'Check hold_id and book_id.'
),
(
    'group_not_found', 404, false,
    'There is no such account group in this book, or you may not see it.',
    'Check group_id and book_id.'
),
(
    'version_conflict', 409, false,
    'The account has changed since you read it.',
    'Read the balance again, decide again, call again.'
),
(
    'hold_state', 409, false,
    'The hold is no longer pending.',
    'See details: state.'
),
(
    'hold_expired', 409, false,
    'The hold has expired and can no longer be captured.',
    'Create a new hold.'
),
(
    'already_reversed', 409, false,
    'The transaction is already reversed, or the reversals would exceed it.',
    'See details: what is left to reverse.'
),
(
    'account_closed', 409, false,
    'The account is closed.',
    'Use another account: closing is final.'
),
(
    'account_not_empty', 409, false,
    'The account still holds money or holds.',
    'Move the balance away, or name an account to sweep it to.'
),
(
    'book_archived', 409, false,
    'The book is archived.',
    'An owner can bring it back with update_book and archived false.'
),
(
    'duplicate_code', 409, false,
    'Another account of this book has this code.',
    'Choose another code, or use the account that has it.'
),
(
    'last_owner', 409, false,
    'A book keeps at least one owner.',
    'Make somebody else an owner first.'
),
(
    'insufficient_funds', 422, false,
    'The account cannot give this amount.',
    'See details: available and required, in minor units.'
),
(
    'limit_exceeded', 422, false,
    'The account cannot take this amount.',
    'See details: max_balance and what the balance would be, in minor units.'
),
(
    'currency_mismatch', 422, false,
    'The two accounts have different currencies.',
    'Move money between accounts of one currency.'
),
(
    'unbalanced', 422, false,
    'The entries do not sum to zero in each currency.',
    'What is taken and what is given have to cancel out in each currency.'
),
(
    'same_account', 422, false,
    'Money cannot move from an account to itself.',
    'Name two accounts.'
),
(
    'idempotency_mismatch', 422, false,
    'This key or id was used before for a different request.',
    'Use a new key for a new request; repeat a request unchanged.'
),
(
    'group_floor', 422, false,
    'The accounts of a group would together fall below their floor.',
    'See details: group, available and required, in minor units.'
),
(
    'account_frozen', 423, false,
    'The account is frozen.',
    'An owner of the book can unfreeze it.'
),
(
    'period_locked', 423, false,
    'The value date lies in a locked period.',
    'Book on a later date, or ask an owner to unlock the period.'
),
(
    'busy', 503, true,
    'The rows are locked by other calls for too long.',
    'Nothing was done. Repeat with the same idempotency key.'
),
(
    'serialization_conflict', 503, true,
    'Another transaction interfered.',
    'Nothing was done. Repeat with the same idempotency key.'
)
on conflict (code) do update set
    http_status = excluded.http_status,
    retryable = excluded.retryable,
    message = excluded.message,
    hint = excluded.hint;

-- functions/ledger/capture_hold.sql

-- ledger.capture_hold: post what a hold has set aside.
--
-- The money is there by then: a capture never fails for funds.
--
-- Raises  book_not_found, forbidden, hold_not_found, hold_state, hold_expired, invalid_amount,
--         account_not_found, invalid_argument, account_frozen, account_closed, limit_exceeded,
--         amount_out_of_range, period_locked, version_conflict, idempotency_mismatch,
--         book_archived, busy
-- Tests   tests/integration/ledger/test_capture_hold.py

create or replace function ledger.capture_hold(
    book_id uuid,
    hold_id uuid,
    amount bigint default null,
    final boolean default true,
    idempotency_key text default null,
    effective_on date default null,
    description text default null,
    external_id text default null,
    metadata jsonb default null,
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.capture_hold(
        capture_hold.book_id, capture_hold.hold_id, capture_hold.amount, capture_hold.final,
        capture_hold.idempotency_key, capture_hold.effective_on, capture_hold.description,
        capture_hold.external_id, capture_hold.metadata, capture_hold.expect,
        capture_hold.dry_run
    );
end;
$$;

comment on function ledger.capture_hold is
$$Post the money of a hold, or a part of it, to the account that the hold names.

amount: minor units, at most what is left of the hold; all of that where missing. final: give the
rest back; false keeps it reserved for further captures. The transaction's metadata name the hold.
Repeating the call with the same idempotency_key returns the first receipt. Editors and owners.$$;

revoke execute on function ledger.capture_hold from public, anon, authenticated, service_role;
grant execute on function ledger.capture_hold to authenticated, service_role;

-- functions/ledger/changes_since.sql

-- ledger.changes_since: the transactions of a book as a feed that misses nothing.
--
-- Raises  book_not_found, invalid_argument, invalid_cursor
-- Tests   tests/integration/ledger/test_changes_since.py

create or replace function ledger.changes_since(
    book_id uuid,
    after text default null,
    page_size integer default 100
)
returns setof ledger.change
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_visible(changes_since.book_id);
    perform ledger_private.check_argument(
        'page_size', changes_since.page_size between 1 and 1000, '1 to 1000'
    );
    return query select
        concat('x', t.xid, '-', t.id), t.id, t.kind, t.posted_at, t.effective_on,
        array(
            select l.line from ledger_private.receipt_lines as l
            where l.book_id = t.book_id and l.transaction_id = t.id order by l.leg
        )
    from ledger_private.feed_page(
        changes_since.book_id, changes_since.after, changes_since.page_size
    ) as t;
end;
$$;

comment on function ledger.changes_since is
$$Return the transactions of a book in the order of its feed, each once.

after: the cursor of the last change seen; without it from the first. page_size: 1 to 1000 changes.
An empty page: nothing new yet, ask again with the same cursor. The order is that of the database's
transactions, not of posted_at; what is being written, anywhere in the cluster, holds back what
began after it. invalid_cursor: the database was restored, or you no longer see that transaction;
begin anew. Viewers and up; holders get the transactions and entries of accounts that they hold.$$;

revoke execute on function ledger.changes_since from public, anon, authenticated, service_role;
grant execute on function ledger.changes_since to authenticated, service_role;

-- functions/ledger/exchange.sql

-- ledger.exchange: sell an amount of one currency for an amount of another.
--
-- Both amounts are given and exact, so that nothing is rounded here; a rate is only shown.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, insufficient_funds, limit_exceeded,
--         amount_out_of_range, group_floor, period_locked, version_conflict, idempotency_mismatch,
--         book_archived, busy
-- Tests   tests/integration/ledger/test_exchange.py

create or replace function ledger.exchange(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    sell_amount bigint,
    buy_amount bigint,
    idempotency_key text default null,
    effective_on date default null,
    description text default null,
    external_id text default null,
    metadata jsonb default null,
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.exchange(
        exchange.book_id, exchange.from_account_id, exchange.to_account_id,
        exchange.sell_amount, exchange.buy_amount, exchange.idempotency_key,
        exchange.effective_on, exchange.description, exchange.external_id, exchange.metadata,
        exchange.expect, exchange.dry_run
    );
end;
$$;

comment on function ledger.exchange is
$$Exchange money of one currency for money of another, between two accounts of a book.

sell_amount leaves the first account, buy_amount arrives in the second, each in minor units of its
account's currency. Between them stand the book's two conversion accounts, one a currency, made at
first use: what they hold is what was exchanged so far. The transaction's metadata state the rate.
Repeating the call with the same idempotency_key returns the first receipt. Editors and owners.$$;

revoke execute on function ledger.exchange from public, anon, authenticated, service_role;
grant execute on function ledger.exchange to authenticated, service_role;

-- functions/ledger/export_checkpoint.sql

-- ledger.export_checkpoint: all hash chains of a book at one moment, under one root.
--
-- Raises  book_not_found, forbidden
-- Tests   tests/integration/ledger/test_export_checkpoint.py

create or replace function ledger.export_checkpoint(
    book_id uuid
)
returns ledger.checkpoint
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_reader(export_checkpoint.book_id);
    return ledger_private.checkpoint_of(export_checkpoint.book_id);
end;
$$;

comment on function ledger.export_checkpoint is
$$Return the end of every hash chain of a book, and the Merkle root over them.

Keep the root where who writes the database cannot: it holds every entry of its moment fast. heads
are ordered by account and slot; chains without entries are left out. A leaf of the tree is the
account_id (16 bytes), slot (2), version (8) and hash (32), in network order, with the prefixes of
RFC 6962. entries: how many there are. Viewers and up.$$;

revoke execute on function ledger.export_checkpoint from public, anon, authenticated, service_role;
grant execute on function ledger.export_checkpoint to authenticated, service_role;

-- functions/ledger/open_account.sql

-- ledger.open_account: open an account.
--
-- Raises  book_not_found, forbidden, invalid_argument, duplicate_code, idempotency_mismatch,
--         book_archived, busy
-- Tests   tests/integration/ledger/test_open_account.py

create or replace function ledger.open_account(
    book_id uuid,
    name text,
    type text,
    currency text,
    code text default null,
    min_balance bigint default null,
    max_balance bigint default null,
    payable boolean default false,
    external_id text default null,
    metadata jsonb default '{}',
    id uuid default null,
    slots integer default 1
)
returns ledger.accounts
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.open_account(
        open_account.book_id, open_account.name, open_account.type, open_account.currency,
        open_account.code, open_account.min_balance, open_account.max_balance,
        open_account.payable, open_account.external_id, open_account.metadata, open_account.id,
        open_account.slots
    );
$$;

comment on function ledger.open_account is
$$Open an account in a book.

type: asset, liability, income, expense or equity. code: a path such as assets:bank:checking,
unique in the book. min_balance and max_balance: floor and ceiling in minor units; a missing or
null floor is 0 for an asset and none for the others, see set_balance_limits for an asset without
floor. id: the caller's own, so that a repeat returns the account of the first call. slots: up to 64
for an account with neither floor nor ceiling (so not an asset) that very many postings meet: they
then write different rows, and receipts have no version and no running balance for it. Editors and
owners.$$;

revoke execute on function ledger.open_account from public, anon, authenticated, service_role;
grant execute on function ledger.open_account to authenticated, service_role;

-- functions/ledger/post_transaction.sql

-- ledger.post_transaction: a posting over any number of accounts.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, unbalanced, account_frozen, account_closed, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_post_transaction.py

create or replace function ledger.post_transaction(
    book_id uuid,
    entries ledger.entry_input[],
    idempotency_key text default null,
    effective_on date default null,
    description text default null,
    external_id text default null,
    metadata jsonb default null,
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return (select r.receipt from ledger_private.post_items(
        'single', post_transaction.book_id,
        array[row(
            post_transaction.entries, post_transaction.idempotency_key,
            post_transaction.effective_on, post_transaction.description,
            post_transaction.external_id, post_transaction.metadata
        )::ledger.transaction_input],
        post_transaction.expect, post_transaction.dry_run
    ) as r);
end;
$$;

comment on function ledger.post_transaction is
$$Post one transaction over two or more accounts of a book.

entries: 2 to 1000, each account once, signed amounts in minor units (negative is taken from the
account) that sum to zero in each currency. All of it happens, or nothing. Repeating the call with
the same idempotency_key returns the first receipt. Editors and owners; holders between accounts
that they may use.$$;

revoke execute on function ledger.post_transaction from public, anon, authenticated, service_role;
grant execute on function ledger.post_transaction to authenticated, service_role;

-- functions/ledger/post_transactions.sql

-- ledger.post_transactions: a batch.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, unbalanced, account_frozen, account_closed, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_post_transactions.py

create or replace function ledger.post_transactions(
    book_id uuid,
    transactions ledger.transaction_input[],
    mode text default 'atomic',
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns setof ledger.posting_result
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    perform ledger_private.check_argument(
        'mode', post_transactions.mode in ('atomic', 'per_item'), 'atomic or per_item'
    );
    return query select r.* from ledger_private.post_items(
        post_transactions.mode, post_transactions.book_id, post_transactions.transactions,
        post_transactions.expect, post_transactions.dry_run
    ) as r;
end;
$$;

comment on function ledger.post_transactions is
$$Post up to 10,000 transactions, in their order, each with its own idempotency key.

mode atomic: all or nothing; the error's details name the item (ordinal, from 1). mode per_item:
each by itself, as if called one after the other; a refused one has a code instead of a receipt and
stops none of the others. expect is compared once, before the first item. A key that is used twice
in a batch is tried once: its later items get the result of the first. The API returns at most 1,000 rows a call. Editors and owners; holders
between accounts that they may use.$$;

revoke execute on function ledger.post_transactions from public, anon, authenticated, service_role;
grant execute on function ledger.post_transactions to authenticated, service_role;

-- functions/ledger/reverse_transaction.sql

-- ledger.reverse_transaction: post a transaction with its signs turned.
--
-- An entry is never taken back: the reversal is a posting of its own that names the first.
--
-- Raises  book_not_found, forbidden, transaction_not_found, already_reversed, invalid_amount,
--         account_not_found, invalid_argument, account_frozen, account_closed, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_reverse_transaction.py

create or replace function ledger.reverse_transaction(
    book_id uuid,
    transaction_id uuid,
    amount bigint default null,
    idempotency_key text default null,
    effective_on date default null,
    description text default null,
    external_id text default null,
    metadata jsonb default null,
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.reverse_transaction(
        reverse_transaction.book_id, reverse_transaction.transaction_id,
        reverse_transaction.amount, reverse_transaction.idempotency_key,
        reverse_transaction.effective_on, reverse_transaction.description,
        reverse_transaction.external_id, reverse_transaction.metadata,
        reverse_transaction.expect, reverse_transaction.dry_run
    );
end;
$$;

comment on function ledger.reverse_transaction is
$$Reverse a transaction, or a part of it.

amount: minor units, for a transaction between two accounts; everything that is left where missing.
Reversals add up to at most the original. What was given has to be there: the reversal obeys floors,
ceilings and states like any posting. Repeating the call with the same idempotency_key returns the
first receipt. Editors and owners.$$;

revoke execute on function ledger.reverse_transaction
from public, anon, authenticated, service_role;
grant execute on function ledger.reverse_transaction to authenticated, service_role;

-- functions/ledger/transfer.sql

-- ledger.transfer: move money from one account to another.
--
-- Read committed on purpose: the funds check reads rows that this call has locked, so it can
-- neither be fooled nor fail for concurrency. Safe to retry under the same idempotency_key.
--
-- PL/pgSQL, though it is one statement: before Postgres 18 a SQL function plans its body in each
-- call, which is a fifth of a transfer.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, currency_mismatch, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_transfer.py

create or replace function ledger.transfer(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint,
    idempotency_key text default null,
    effective_on date default null,
    description text default null,
    external_id text default null,
    metadata jsonb default null,
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.post_transfer(
        'transfer', transfer.book_id, transfer.from_account_id,
        transfer.to_account_id, transfer.amount, transfer.idempotency_key,
        transfer.effective_on, transfer.description, transfer.external_id,
        transfer.metadata, transfer.expect, transfer.dry_run
    );
end;
$$;

comment on function ledger.transfer is
$$Move money from one account of a book to another.

Both accounts must be open and of one currency. amount: minor units, 1234 is 12.34 where the
currency has two places. effective_on: the value date, today in UTC where missing. Repeating the
call with the same idempotency_key returns the first receipt. Editors and owners; holders from
accounts that they may spend from, into payable ones.$$;

revoke execute on function ledger.transfer from public, anon, authenticated, service_role;
grant execute on function ledger.transfer to authenticated, service_role;

-- functions/ledger/transfer_serializable.sql

-- ledger.transfer_serializable: a transfer that takes no lock on account groups beforehand.
--
-- Optimistic: at serializable a conflict is found out afterwards, and the caller repeats. For joint
-- floors whose members rarely move at once, and to compare with transfer. One group that is hot
-- makes most calls fail; docs/explanation/performance.md has the measurement.
--
-- Where a gateway repeats 40001 for ever (PostgREST 14), do not use it: a conflict inside becomes
-- serialization_conflict, which nobody repeats, but one at COMMIT cannot be caught.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, currency_mismatch, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy,
--         wrong_isolation, serialization_conflict
-- Tests   tests/integration/ledger/test_transfer_serializable.py

create or replace function ledger.transfer_serializable(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint,
    idempotency_key text default null,
    effective_on date default null,
    description text default null,
    external_id text default null,
    metadata jsonb default null,
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'serializable'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.post_serializable(
        transfer_serializable.book_id, transfer_serializable.from_account_id,
        transfer_serializable.to_account_id, transfer_serializable.amount, transfer_serializable.idempotency_key,
        transfer_serializable.effective_on, transfer_serializable.description, transfer_serializable.external_id,
        transfer_serializable.metadata, transfer_serializable.expect, transfer_serializable.dry_run
    );
end;
$$;

comment on function ledger.transfer_serializable is
$$Move money from one account to another, at isolation level serializable.

As transfer, but account groups are not locked beforehand: of two calls that together would break a
joint floor one fails with serialization_conflict, and may be repeated with the same
idempotency_key. A direct SQL call has to begin its transaction at serializable.$$;

revoke execute on function ledger.transfer_serializable
from public, anon, authenticated, service_role;
grant execute on function ledger.transfer_serializable to authenticated, service_role;

-- functions/ledger/transfer_up_to.sql

-- ledger.transfer_up_to: move as much as there is, up to an amount.
--
-- How much is decided under the locks: what is read beforehand may be gone by then.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, currency_mismatch, insufficient_funds,
--         limit_exceeded, amount_out_of_range, group_floor, period_locked, version_conflict,
--         idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_transfer_up_to.py

create or replace function ledger.transfer_up_to(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint,
    idempotency_key text default null,
    effective_on date default null,
    description text default null,
    external_id text default null,
    metadata jsonb default null,
    expect ledger.expectation[] default null,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.post_transfer(
        'transfer_up_to', transfer_up_to.book_id, transfer_up_to.from_account_id,
        transfer_up_to.to_account_id, transfer_up_to.amount, transfer_up_to.idempotency_key,
        transfer_up_to.effective_on, transfer_up_to.description, transfer_up_to.external_id,
        transfer_up_to.metadata, transfer_up_to.expect, transfer_up_to.dry_run
    );
end;
$$;

comment on function ledger.transfer_up_to is
$$Move what is available on an account to another, at most an amount.

The receipt says how much it was, in minor units; all of amount from an account without a floor.
Nothing available: insufficient_funds. Otherwise as transfer.$$;

revoke execute on function ledger.transfer_up_to from public, anon, authenticated, service_role;
grant execute on function ledger.transfer_up_to to authenticated, service_role;

-- functions/ledger_private/as_replay.sql

-- ledger_private.as_replay: a receipt as the answer to a repeated call. A dry run names no
-- transaction, here as elsewhere. Called by the engine only.

create or replace function ledger_private.as_replay(
    door ledger_private.door,
    receipt ledger.receipt,
    dry_run boolean
)
returns ledger.receipt
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if (as_replay.receipt).kind is null then
        return null;
    end if;
    as_replay.receipt.replayed := true;
    as_replay.receipt.dry_run := as_replay.dry_run;
    if as_replay.dry_run then
        as_replay.receipt.transaction_id := null;
    end if;
    return ledger_private.mask_receipt(as_replay.door, as_replay.receipt);
end;
$$;

comment on function ledger_private.as_replay is
'Return a receipt marked as replayed, with what its caller may see.';

revoke execute on function ledger_private.as_replay
from public, anon, authenticated, service_role;

-- functions/ledger_private/capture_hold.sql

-- ledger_private.capture_hold: the engine behind ledger.capture_hold.
--
-- The hold's accounts are read without a lock, since they never change; its state is read under the
-- locks. Accounts that are only expected something of join the one sorted lock.

create or replace function ledger_private.capture_hold(
    book_id uuid,
    hold_id uuid,
    amount bigint,
    final boolean,
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
declare
    v_door ledger_private.door;
    v_hash bytea;
    v_accounts uuid[];
    v_hold ledger_private.holds;
    v_receipt ledger.receipt;
    v_left bigint;
    v_amount bigint;
    v_final boolean;
begin
    perform ledger_private.check_argument(
        'final', capture_hold.final is not null, 'true or false'
    );
    v_hash := ledger_private.check_posting(
        'capture_hold',
        concat_ws(
            ' ', capture_hold.hold_id, capture_hold.amount,
            case when not capture_hold.final then 'more' end,
            nullif(capture_hold.expect, '{}')
        ),
        capture_hold.idempotency_key, capture_hold.effective_on, capture_hold.description,
        capture_hold.external_id, capture_hold.metadata
    );
    v_door := ledger_private.enter_book(
        capture_hold.book_id, 'editor', replay_key => capture_hold.idempotency_key
    );
    select array[h.account_id, h.to_account_id] into v_accounts
    from ledger_private.find_hold(capture_hold.book_id, capture_hold.hold_id) as h;

    v_receipt := ledger_private.claim_transaction(
        capture_hold.book_id, v_door, 'capture', capture_hold.idempotency_key, v_hash,
        capture_hold.effective_on, capture_hold.description, capture_hold.external_id,
        coalesce(capture_hold.metadata, '{}')
        || jsonb_build_object('hold_id', capture_hold.hold_id),
        null, capture_hold.dry_run
    );
    if v_receipt.replayed then
        return v_receipt;
    end if;

    if v_door.has_groups then
        perform ledger_private.lock_groups(capture_hold.book_id, v_accounts);
    end if;
    perform ledger_private.lock_accounts(
        capture_hold.book_id,
        v_accounts || array(select x.account_id from unnest(capture_hold.expect) as x)
    );
    v_hold := ledger_private.lock_hold(capture_hold.book_id, capture_hold.hold_id);
    if v_hold.expires_at <= clock_timestamp() then
        perform ledger_private.raise_error('hold_expired', jsonb_build_object(
            'hold_id', v_hold.id, 'expires_at', v_hold.expires_at
        ));
    end if;
    v_left := v_hold.amount - v_hold.captured;
    v_amount := coalesce(capture_hold.amount, v_left);
    v_final := capture_hold.final or v_amount = v_left;
    if v_amount not between 1 and v_left then
        perform ledger_private.raise_error('invalid_amount', jsonb_build_object(
            'amount', v_amount, 'remaining', v_left
        ));
    end if;

    v_receipt := ledger_private.post_legs(
        capture_hold.book_id, v_door, v_receipt,
        array[
            row(
                null, null, v_hold.account_id, null, -v_amount,
                -case when v_final then v_left else v_amount end, null, null
            ),
            row(null, null, v_hold.to_account_id, null, v_amount, null, null, null)
        ]::ledger_private.leg[],
        capture_hold.expect
    );
    if not v_receipt.dry_run then
        update ledger_private.holds as h
        set
            captured = h.captured + v_amount,
            released = case when v_final then v_left - v_amount else 0 end,
            state = case when v_final then 'captured' else 'pending' end
        where h.book_id = capture_hold.book_id and h.id = capture_hold.hold_id;
    end if;
    return v_receipt;
end;
$$;

comment on function ledger_private.capture_hold is
'Post what a hold has set aside: the engine of ledger.capture_hold. amount in minor units.';

revoke execute on function ledger_private.capture_hold
from public, anon, authenticated, service_role;
grant execute on function ledger_private.capture_hold to authenticated, service_role;

-- functions/ledger_private/check_expectations.sql

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

-- functions/ledger_private/check_follow_ups.sql

-- ledger_private.check_follow_ups: the part of verify_book about what later postings take from
-- earlier ones: reversals from transactions, captures from holds. Called by verify_book only.
--
-- A reversal gives back to each account at most what the original took, and where the original has
-- more than two legs, all of it. Sums by account: an account may be named twice, and its slots may
-- differ; one whose entries cancel is no leg.
--
-- Metadata may be erased, so captures are compared by giver and receiver, which entries prove; and
-- by hold, where the metadata still name it.

create or replace function ledger_private.check_follow_ups(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with reversed as materialized (
        select t.reverses_id as original_id, t.id as reversal_id
        from ledger_private.transactions as t
        where t.book_id = check_follow_ups.book_id and t.reverses_id is not null
    ),

    taken_back as (
        select
            s.original_id,
            s.account_id,
            sum(s.original) as original,
            sum(s.reversal) as reversal
        from (
            select r.original_id, e.account_id, 0 as original, e.amount::numeric as reversal
            from reversed as r
            inner join ledger_private.entries as e
                on e.book_id = check_follow_ups.book_id and e.transaction_id = r.reversal_id
            union all
            select o.original_id, e.account_id, e.amount::numeric, 0
            from (select distinct r.original_id from reversed as r) as o
            inner join ledger_private.entries as e
                on e.book_id = check_follow_ups.book_id and e.transaction_id = o.original_id
        ) as s
        group by s.original_id, s.account_id
    ),

    captures as materialized (
        select
            t.id,
            t.metadata ->> 'hold_id' as hold_id,
            g.account_id,
            r.account_id as to_account_id,
            coalesce(r.amount, 0)::numeric as amount
        from ledger_private.transactions as t
        left join ledger_private.entries as g
            on g.book_id = t.book_id and g.transaction_id = t.id and g.amount < 0
        left join ledger_private.entries as r
            on r.book_id = t.book_id and r.transaction_id = t.id and r.amount > 0
        where t.book_id = check_follow_ups.book_id and t.kind = 'capture'
    ),

    faults (check_name, first) as (
        select 'reversals_stay_within', jsonb_build_object('transaction_id', b.original_id)
        from taken_back as b
        group by b.original_id
        having
            bool_or(
                (sign(b.reversal) = sign(b.original) and b.original <> 0)
                or abs(b.reversal) > abs(b.original)
            )
            or (
                count(*) filter (where b.original <> 0) > 2
                and bool_or(b.reversal <> -b.original)
            )
        union all
        select
            'captures_match_holds',
            jsonb_build_object('account_id', s.account_id, 'to_account_id', s.to_account_id)
        from (
            select h.account_id, h.to_account_id, h.captured::numeric as captured
            from ledger_private.holds as h
            where h.book_id = check_follow_ups.book_id and h.captured > 0
            union all
            select c.account_id, c.to_account_id, -c.amount
            from captures as c
        ) as s
        group by s.account_id, s.to_account_id
        having sum(s.captured) <> 0
        union all
        select 'captures_match_holds', jsonb_build_object('hold_id', c.hold_id)
        from captures as c
        left join ledger_private.holds as h
            on h.book_id = check_follow_ups.book_id and h.id::text = c.hold_id
        where c.hold_id is not null
        group by c.hold_id, h.account_id, h.to_account_id, h.captured
        having
            sum(c.amount) > coalesce(h.captured, 0)
            or bool_or(c.account_id <> h.account_id or c.to_account_id <> h.to_account_id)
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', count(f.check_name), 'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values (1, 'reversals_stay_within'), (2, 'captures_match_holds')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_follow_ups is
'Check the reversals of a book against their originals, and its captures against holds.';

revoke execute on function ledger_private.check_follow_ups
from public, anon, authenticated, service_role;

-- functions/ledger_private/check_group.sql

-- ledger_private.check_group: the sum of a group against its floor. Volatile: it is read under the
-- group's lock, in a snapshot that is newer than the lock.

create or replace function ledger_private.check_group(
    book_id uuid,
    door ledger_private.door,
    group_id uuid,
    min_total bigint,
    delta numeric
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_total numeric;
begin
    select coalesce(sum(b.posted - b.held), 0) into v_total
    from ledger_private.account_group_members as m
    inner join ledger_private.balances as b
        on b.book_id = m.book_id and b.account_id = m.account_id and b.slot = 0
    where m.book_id = check_group.book_id and m.group_id = check_group.group_id;

    if v_total + check_group.delta < check_group.min_total then
        perform ledger_private.raise_error('group_floor', jsonb_strip_nulls(jsonb_build_object(
            'group_id', check_group.group_id,
            -- A holder is not told what others have.
            'available',
            case
                when (check_group.door).role <> 'holder'
                    then v_total - check_group.min_total
            end,
            'required', -check_group.delta
        )));
    end if;
end;
$$;

comment on function ledger_private.check_group is
$$Raise group_floor where a group would fall below its floor.

delta: the change that is coming, in minor units.$$;

revoke execute on function ledger_private.check_group
from public, anon, authenticated, service_role;

-- functions/ledger_private/check_groups.sql

-- ledger_private.check_groups: one posting, or hold, against the joint floors of its accounts.
-- Called by the engine only, before it writes, where the book has groups.
--
-- Every group that is met gets a new version, also where its sum does not fall: that write makes
-- transfer_serializable, which locks no group beforehand, conflict with all others. It comes here
-- with its balances locked, so it must not wait for a group: others wait the other way round.

create or replace function ledger_private.check_groups(
    book_id uuid,
    door ledger_private.door,
    account_ids uuid[],
    deltas bigint[],
    dry_run boolean default false
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
    if current_setting('transaction_isolation') = 'serializable' then
        begin
            perform
            from ledger_private.account_groups as g
            where
                g.book_id = check_groups.book_id
                and g.id = any(array(
                    select m.group_id
                    from ledger_private.account_group_members as m
                    where
                        m.book_id = check_groups.book_id
                        and m.account_id = any(check_groups.account_ids)
                ))
            for no key update nowait;
        exception when lock_not_available then
            raise serialization_failure using message = 'a posting on the group is under way';
        end;
    end if;

    for v in
        select g.id, g.min_total, sum(d.delta) as delta
        from unnest(check_groups.account_ids, check_groups.deltas) as d (account_id, delta)
        inner join ledger_private.account_group_members as m
            on m.book_id = check_groups.book_id and m.account_id = d.account_id
        inner join ledger_private.account_groups as g
            on g.book_id = m.book_id and g.id = m.group_id
        group by g.id, g.min_total
        order by g.id
    loop
        if v.delta < 0 then
            perform ledger_private.check_group(
                check_groups.book_id, check_groups.door, v.id, v.min_total, v.delta
            );
        end if;
        if not check_groups.dry_run then
            update ledger_private.account_groups as g
            set version = g.version + 1
            where g.book_id = check_groups.book_id and g.id = v.id;
        end if;
    end loop;
end;
$$;

comment on function ledger_private.check_groups is
$$Raise group_floor where changes of accounts break a joint floor.

deltas: changes of posted − held, in minor units, in the order of account_ids.$$;

revoke execute on function ledger_private.check_groups
from public, anon, authenticated, service_role;

-- functions/ledger_private/check_holder.sql

-- ledger_private.check_holder: what a holder may move. Called by the engine, after enter_book and
-- before any row is locked: nobody stalls an account that she does not hold.
--
-- Volatile, for a snapshot of its own: payable and account_holders change under the book's
-- exclusive lock, so that what is read after enter_book stays true until the posting ends.

create or replace function ledger_private.check_holder(
    book_id uuid,
    door ledger_private.door,
    givers uuid[],
    takers uuid[]
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_account uuid;
    v_code text;
begin
    if check_holder.door.role is distinct from 'holder' then
        return;
    end if;

    -- What she may not see comes before what she may not do.
    select r.account_id, r.code into v_account, v_code
    from (
        select
            s.account_id, s.gives, s.position,
            ledger_private.holder_refusal(
                check_holder.book_id, check_holder.door.user_id, s.account_id, s.gives
            ) as code
        from (
            select g.account_id, true as gives, g.position
            from unnest(check_holder.givers) with ordinality as g (account_id, position)
            union all
            select t.account_id, false, t.position
            from unnest(check_holder.takers) with ordinality as t (account_id, position)
        ) as s
    ) as r
    where r.code is not null
    order by r.code, r.gives desc, r.position
    limit 1;

    if found then
        perform ledger_private.raise_error(v_code, jsonb_strip_nulls(jsonb_build_object(
            'account_id', v_account,
            'required', case v_code when 'forbidden' then 'spend' end
        )));
    end if;
end;
$$;

comment on function ledger_private.check_holder is
$$Raise account_not_found or forbidden for what a holder may not move.

givers have to be held with spend; takers held, or payable. No-op for every other role.$$;

revoke execute on function ledger_private.check_holder
from public, anon, authenticated, service_role;

-- functions/ledger_private/check_period.sql

-- ledger_private.check_period: no booking into a locked period. Called by the engine, after
-- enter_book.
--
-- Volatile, for a snapshot of its own: periods change under the book's exclusive lock, so that a
-- date which is found free after it stays free until the posting ends.

create or replace function ledger_private.check_period(
    book_id uuid,
    door ledger_private.door,
    effective_on date
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_date date := coalesce(check_period.effective_on, (now() at time zone 'UTC')::date);
    v_period ledger_private.period_locks;
begin
    if check_period.door.has_periods is not true then
        return;
    end if;

    select p.* into v_period
    from ledger_private.period_locks as p
    where p.book_id = check_period.book_id and p.from_date <= v_date and p.to_date >= v_date
    order by p.from_date, p.to_date
    limit 1;

    if found then
        -- A holder sees no periods.
        perform ledger_private.raise_error('period_locked', case check_period.door.role
            when 'holder' then '{}'
            else jsonb_build_object('from_date', v_period.from_date, 'to_date', v_period.to_date)
        end || jsonb_build_object('effective_on', v_date));
    end if;
end;
$$;

comment on function ledger_private.check_period is
$$Raise period_locked where a value date lies in a locked period of the book.

effective_on: null for today in UTC. No-op where the book has no locked periods.$$;

revoke execute on function ledger_private.check_period
from public, anon, authenticated, service_role;

-- functions/ledger_private/check_rules.sql

-- ledger_private.check_rules: the part of verify_book about what is not money: flags that postings
-- trust instead of looking for rules, and holders. Called by verify_book only. Reads no entries.

create or replace function ledger_private.check_rules(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with faults (check_name, first) as (
        select 'rules_are_in_force', jsonb_build_object('flag', k.flag)
        from ledger_private.books as b
        cross join lateral (
            values
            (
                'has_groups',
                b.has_groups = exists (
                    select from ledger_private.account_groups as g where g.book_id = b.id
                )
            ),
            (
                'has_periods',
                b.has_periods = exists (
                    select from ledger_private.period_locks as p where p.book_id = b.id
                )
            )
        ) as k (flag, ok)
        where b.id = check_rules.book_id and not k.ok
        union all
        select
            'holders_are_members',
            jsonb_build_object('account_id', h.account_id, 'user_id', h.user_id)
        from ledger_private.account_holders as h
        left join ledger_private.book_members as m
            on m.book_id = h.book_id and m.user_id = h.user_id
        left join ledger_private.accounts as a
            on a.book_id = h.book_id and a.id = h.account_id
        where
            h.book_id = check_rules.book_id
            and (m.role = 'holder' and a.id is not null) is not true
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', count(f.check_name), 'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values (1, 'rules_are_in_force'), (2, 'holders_are_members')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_rules is
'Check the flags of a book against its groups and periods, and its holders against its members.';

revoke execute on function ledger_private.check_rules
from public, anon, authenticated, service_role;

-- functions/ledger_private/checkpoint_of.sql

-- ledger_private.checkpoint_of: the heads of a book's chains and their Merkle root. Runs as the
-- caller, in one statement, so of one moment.

create or replace function ledger_private.checkpoint_of(book_id uuid)
returns ledger.checkpoint
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
    select
        checkpoint_of.book_id,
        statement_timestamp(),
        coalesce(sum(b.version), 0)::bigint,
        encode(ledger_private.merkle_root(array_agg(
            uuid_send(b.account_id) || int2send(b.slot) || int8send(b.version) || b.hash
            order by b.account_id, b.slot
        )), 'hex'),
        coalesce(
            array_agg(
                row(b.account_id, b.slot, b.version, encode(b.hash, 'hex'))::ledger.chain_head
                order by b.account_id, b.slot
            ),
            '{}'
        )
    from ledger_private.balances as b
    where b.book_id = checkpoint_of.book_id and b.version > 0;
$$;

comment on function ledger_private.checkpoint_of is
'Return the ends of a book''s hash chains, and the Merkle root over them.';

revoke execute on function ledger_private.checkpoint_of
from public, anon, authenticated, service_role;
grant execute on function ledger_private.checkpoint_of to authenticated, service_role;

-- functions/ledger_private/claim_items.sql

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

-- functions/ledger_private/claim_transaction.sql

-- ledger_private.claim_transaction: the row of a posting, level 1 of the global order: its key is
-- the lock between duplicates, the second sender waits here. Called by the engine only, after
-- enter_book.
--
-- A replay is answered before the state of accounts and periods is looked at: the money moved then,
-- whatever has been closed since. A dry run writes nothing.

create or replace function ledger_private.claim_transaction(
    book_id uuid,
    door ledger_private.door,
    kind text,
    idempotency_key text,
    request_hash bytea,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb,
    reverses_id uuid,
    dry_run boolean
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
-- on conflict names a column as a parameter is named; parameters are qualified everywhere.
#variable_conflict use_column
declare
    v_receipt ledger.receipt;
    v_today date := (now() at time zone 'UTC')::date;
begin
    if claim_transaction.dry_run then
        v_receipt := ledger_private.replay(
            claim_transaction.book_id, claim_transaction.door, claim_transaction.idempotency_key,
            claim_transaction.request_hash, true
        );
        if v_receipt.kind is null then
            v_receipt := row(
                null, claim_transaction.book_id, claim_transaction.kind, clock_timestamp(),
                coalesce(claim_transaction.effective_on, v_today), false, true, null
            );
        end if;
        return v_receipt;
    end if;

    begin
        insert into ledger_private.transactions as t (
            book_id, id, kind, effective_on, description, idempotency_key, request_hash,
            external_id, reverses_id, metadata, created_by
        )
        values (
            claim_transaction.book_id, ledger_private.new_id(), claim_transaction.kind,
            coalesce(claim_transaction.effective_on, v_today),
            claim_transaction.description, claim_transaction.idempotency_key,
            claim_transaction.request_hash, claim_transaction.external_id,
            claim_transaction.reverses_id, coalesce(claim_transaction.metadata, '{}'),
            (claim_transaction.door).user_id
        )
        on conflict (book_id, idempotency_key) where idempotency_key is not null do nothing
        returning
            t.id, t.book_id, t.kind, t.posted_at, t.effective_on, false, false,
            null::ledger.receipt_entry[]
        into v_receipt;
    exception when lock_not_available then
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('idempotency_key', claim_transaction.idempotency_key)
        );
    end;

    if v_receipt.transaction_id is null then
        return ledger_private.replay(
            claim_transaction.book_id, claim_transaction.door, claim_transaction.idempotency_key,
            claim_transaction.request_hash
        );
    end if;
    return v_receipt;
end;
$$;

comment on function ledger_private.claim_transaction is
$$Insert the row of a posting and return the beginning of its receipt; where the key is taken, the
first receipt, with replayed true.$$;

revoke execute on function ledger_private.claim_transaction
from public, anon, authenticated, service_role;

-- functions/ledger_private/close_account.sql

-- ledger_private.close_account: the engine behind ledger.close_account.
--
-- Every slot of the account is locked, and one of the account that takes the money, in one sorted
-- statement: a transfer between the two, in either direction, comes before or after. Limits fall
-- first, or a floor above zero would keep the last of the money; which also writes each row, so
-- that a posting at repeatable read or above aborts (40001) instead of missing the change.

create or replace function ledger_private.close_account(
    book_id uuid,
    account_id uuid,
    sweep_to uuid
)
returns ledger.accounts
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_door ledger_private.door;
    v_currency text;
    v record;
    v_code text;
begin
    if close_account.account_id = close_account.sweep_to then
        perform ledger_private.raise_error(
            'same_account', jsonb_build_object('account_id', close_account.account_id)
        );
    end if;
    v_door := ledger_private.enter_book(close_account.book_id, 'owner');
    if v_door.has_groups then
        perform ledger_private.lock_groups(
            close_account.book_id, array[close_account.account_id, close_account.sweep_to]
        );
    end if;
    begin
        perform
        from ledger_private.balances as b
        where
            b.book_id = close_account.book_id
            and b.account_id = any(array[close_account.account_id, close_account.sweep_to])
            and (
                b.account_id = close_account.account_id
                or b.slot = mod(pg_backend_pid(), b.slots)
            )
        order by b.account_id, b.slot
        for no key update;
    exception when lock_not_available then
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('account_id', close_account.account_id)
        );
    end;

    select
        min(b.status) as status,
        min(b.currency) as currency,
        sum(b.held) as held,
        sum(b.posted) as posted,
        bool_or(b.posted <> 0) as has_money
    into v
    from ledger_private.balances as b
    where b.book_id = close_account.book_id and b.account_id = close_account.account_id;
    select b.currency into v_currency
    from ledger_private.balances as b
    where
        b.book_id = close_account.book_id
        and b.account_id = close_account.sweep_to
        and b.slot = 0;
    if v.status = 'closed' then
        return ledger_private.find_account(close_account.book_id, close_account.account_id);
    end if;
    v_code := case
        when v.status is null then 'account_not_found'
        when v_currency is null and close_account.sweep_to is not null then 'account_not_found'
        when v_currency <> v.currency then 'currency_mismatch'
        when v.held <> 0 or (v.has_money and close_account.sweep_to is null)
            then 'account_not_empty'
    end;
    if v_code is not null then
        perform ledger_private.raise_error(v_code, case v_code
            when 'currency_mismatch' then jsonb_build_object(
                'from', v.currency, 'to', v_currency
            )
            when 'account_not_empty' then jsonb_build_object(
                'account_id', close_account.account_id, 'posted', v.posted, 'held', v.held
            )
            else jsonb_build_object('account_id', case
                when v.status is null then close_account.account_id else close_account.sweep_to
            end)
        end);
    end if;

    update ledger_private.balances as b
    set min_balance = null, max_balance = null
    where b.book_id = close_account.book_id and b.account_id = close_account.account_id;
    if v.has_money then
        perform ledger_private.post_legs(
            close_account.book_id, v_door,
            ledger_private.claim_transaction(
                close_account.book_id, v_door, 'sweep', null, null, null, null, null, null, null,
                false
            ),
            array(
                select
                    row(null, null, s.account_id, s.slot, s.amount, null, null, null)
                    ::ledger_private.leg
                from (
                    select b.account_id, b.slot, -b.posted::bigint as amount
                    from ledger_private.balances as b
                    where
                        b.book_id = close_account.book_id
                        and b.account_id = close_account.account_id
                        and b.posted <> 0
                    union all
                    select close_account.sweep_to, null, v.posted
                    where v.posted <> 0
                ) as s
                order by s.slot nulls last
            )
        );
    end if;
    update ledger_private.balances as b
    set status = 'closed'
    where b.book_id = close_account.book_id and b.account_id = close_account.account_id;
    return ledger_private.find_account(close_account.book_id, close_account.account_id);
end;
$$;

comment on function ledger_private.close_account is
'Close an account: the engine of ledger.close_account.';

revoke execute on function ledger_private.close_account
from public, anon, authenticated, service_role;
grant execute on function ledger_private.close_account to authenticated, service_role;

-- functions/ledger_private/deny_items.sql

-- ledger_private.deny_items: refuse the items of a batch in which a holder takes from an account
-- that she may not spend from, or pays into one that she may not. Called by post_items only, before
-- anything is claimed or locked: nobody stalls an account that she does not hold.

create or replace function ledger_private.deny_items(
    book_id uuid,
    user_id uuid,
    items ledger_private.item[]
)
returns ledger_private.item[]
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    return array(
        select row(
            i.ordinal, i.id, i.request_hash,
            coalesce(i.code, d.code),
            case
                when i.code is null and d.code is not null
                    then jsonb_build_object('account_id', d.account_id)
                else i.details
            end,
            i.entries, i.idempotency_key, i.effective_on, i.description, i.external_id, i.metadata
        )::ledger_private.item
        from unnest(deny_items.items) as i
        left join lateral (
            select l.account_id, h.code
            from unnest(i.entries) with ordinality as l (account_id, amount, leg)
            cross join lateral ledger_private.holder_refusal(
                deny_items.book_id, deny_items.user_id, l.account_id, l.amount < 0
            ) as h (code)
            where h.code is not null
            -- What she may not see comes before what she may not do.
            order by h.code, l.leg
            limit 1
        ) as d on true
        order by i.ordinal
    );
end;
$$;

comment on function ledger_private.deny_items is
'Return the items of a batch, refused where a holder may not post them.';

revoke execute on function ledger_private.deny_items
from public, anon, authenticated, service_role;

-- functions/ledger_private/enter_book.sql

-- ledger_private.enter_book: the door of everything that writes. Called by definer functions only.
--
-- Takes the book's lock, level 0 of the global order: shared for postings, exclusive for what
-- changes the rules under them. Role and state are read after it, in a later statement: the
-- snapshot is new, and nobody can change them before this transaction ends.

create or replace function ledger_private.enter_book(
    book_id uuid,
    required_role text,
    exclusive boolean default false,
    allow_archived boolean default false,
    replay_key text default null
)
returns ledger_private.door
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_door ledger_private.door;
    -- The ordinary caller at a glance, without a call.
    v_user uuid := coalesce(
        case current_setting('role') when 'authenticated' then auth.uid() end,
        ledger_private.caller()
    );
    v_key bigint := uuid_hash_extended(enter_book.book_id, 0);
    v_locked boolean := case
        when exclusive then false else pg_try_advisory_xact_lock_shared(v_key)
    end;
    v_refusal text;
begin
    -- Who would have to wait is asked for her role before, too, and again after: nobody stalls a
    -- book that she may not change, or learns from the wait that it is there.
    loop
        if v_user is null then
            select null::uuid, 'owner', b.has_groups, b.has_periods, b.archived_at is not null
            into v_door.user_id, v_door.role, v_door.has_groups, v_door.has_periods, v_door.archived
            from ledger_private.books as b
            where b.id = enter_book.book_id;
        else
            select m.user_id, m.role, b.has_groups, b.has_periods, b.archived_at is not null
            into v_door.user_id, v_door.role, v_door.has_groups, v_door.has_periods, v_door.archived
            from ledger_private.book_members as m
            inner join ledger_private.books as b on b.id = m.book_id
            where m.book_id = enter_book.book_id and m.user_id = v_user;
        end if;

        v_refusal := case
            when v_door.role is null then 'book_not_found'
            when
                v_door.role = 'viewer'
                or (v_door.role = 'editor' and required_role = 'owner')
                or (v_door.role = 'holder' and required_role <> 'holder') then 'forbidden'
            when v_door.archived and not allow_archived then 'book_archived'
        end;
        if v_refusal = 'book_archived' and replay_key is not null then
            perform
            from ledger_private.transactions as t
            where t.book_id = enter_book.book_id and t.idempotency_key = replay_key;
            v_refusal := case when not found then 'book_archived' end;
        end if;
        if v_refusal is not null then
            perform ledger_private.raise_error(v_refusal, jsonb_strip_nulls(jsonb_build_object(
                'book_id', enter_book.book_id,
                'role', v_door.role,
                'required', case v_refusal when 'forbidden' then required_role end
            )));
        end if;
        exit when v_locked;

        begin
            if exclusive then
                perform pg_advisory_xact_lock(v_key);
            else
                perform pg_advisory_xact_lock_shared(v_key);
            end if;
            v_locked := true;
        exception when lock_not_available then
            perform ledger_private.raise_error(
                'busy', jsonb_build_object('book_id', enter_book.book_id)
            );
        end;
    end loop;

    -- At repeatable read and above the snapshot is older than the lock: a rule may have changed
    -- since, unseen. So who changes rules also writes the book's row, and who posts at such a level
    -- reads it with a lock: Postgres then aborts the older one (40001).
    if exclusive then
        update ledger_private.books as b set name = b.name where b.id = enter_book.book_id;
    elsif current_setting('transaction_isolation') <> 'read committed' then
        perform from ledger_private.books as b where b.id = enter_book.book_id for share;
    end if;
    return v_door;
end;
$$;

comment on function ledger_private.enter_book is
$$Lock a book and check what the caller may do in it.

required_role: owner, editor, or holder (then her accounts have to be checked, see
check_holder). replay_key: an idempotency key that opens an archived book where it was used before
it was archived.$$;

revoke execute on function ledger_private.enter_book
from public, anon, authenticated, service_role;

-- functions/ledger_private/exchange.sql

-- ledger_private.exchange: the engine behind ledger.exchange.
--
-- Missing conversion accounts are opened first, in the order of their ids: two first exchanges in
-- opposite directions meet at the same one. A dry run opens them too, and then takes everything
-- back.

create or replace function ledger_private.exchange(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    sell_amount bigint,
    buy_amount bigint,
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
declare
    v_max constant bigint := 9007199254740991;
    v_door ledger_private.door;
    v_hash bytea;
    v_receipt ledger.receipt;
    v_sell record;
    v_buy record;
    -- The conversion accounts of the two currencies.
    v_sold uuid;
    v_bought uuid;
    v_conversion record;
    v_rate numeric;
begin
    if
        coalesce(exchange.sell_amount not between 1 and v_max, true)
        or coalesce(exchange.buy_amount not between 1 and v_max, true)
    then
        perform ledger_private.raise_error('invalid_amount', jsonb_build_object(
            'sell_amount', exchange.sell_amount, 'buy_amount', exchange.buy_amount
        ));
    elsif exchange.from_account_id = exchange.to_account_id then
        perform ledger_private.raise_error(
            'same_account', jsonb_build_object('account_id', exchange.to_account_id)
        );
    end if;
    v_hash := ledger_private.check_posting(
        'exchange',
        concat_ws(
            ' ', exchange.from_account_id, exchange.to_account_id, exchange.sell_amount,
            exchange.buy_amount, nullif(exchange.expect, '{}')
        ),
        exchange.idempotency_key, exchange.effective_on, exchange.description,
        exchange.external_id, exchange.metadata
    );
    v_door := ledger_private.enter_book(
        exchange.book_id, 'editor', replay_key => exchange.idempotency_key
    );

    select a.currency, c.exponent into v_sell
    from ledger_private.accounts as a
    inner join ledger_private.currencies as c on c.code = a.currency
    where a.book_id = exchange.book_id and a.id = exchange.from_account_id;
    select a.currency, c.exponent into v_buy
    from ledger_private.accounts as a
    inner join ledger_private.currencies as c on c.code = a.currency
    where a.book_id = exchange.book_id and a.id = exchange.to_account_id;
    if v_sell.currency is null or v_buy.currency is null then
        perform ledger_private.raise_error('account_not_found', jsonb_build_object(
            'account_id',
            case
                when v_sell.currency is null then exchange.from_account_id
                else exchange.to_account_id
            end
        ));
    end if;
    perform ledger_private.check_argument(
        'to_account_id', v_sell.currency <> v_buy.currency,
        'of another currency: within one money moves by transfer'
    );
    v_sold := ledger_private.conversion_account_id(exchange.book_id, v_sell.currency);
    v_bought := ledger_private.conversion_account_id(exchange.book_id, v_buy.currency);
    perform ledger_private.check_argument(
        'from_account_id',
        exchange.from_account_id <> v_sold and exchange.to_account_id <> v_bought,
        'neither account one of conversion'
    );

    -- Ten digits of it; numeric divides exactly enough because the dividend has 50 places.
    v_rate := round(exchange.buy_amount * 10::numeric ^ v_sell.exponent, 50)
    / (exchange.sell_amount * 10::numeric ^ v_buy.exponent);
    v_rate := trim_scale(round(v_rate, 9 - floor(log(v_rate))::integer));

    begin
        for v_conversion in
            select c.id, c.currency
            from unnest(
                array[v_sold, v_bought], array[v_sell.currency, v_buy.currency]
            ) as c (id, currency)
            where not exists (
                select from ledger_private.accounts as a
                where a.book_id = exchange.book_id and a.id = c.id and a.currency = c.currency
            )
            order by c.id
        loop
            perform ledger_private.open_account(
                exchange.book_id, 'Conversion ' || v_conversion.currency, 'equity',
                v_conversion.currency, null, null, null, false, null, null, v_conversion.id, 16
            );
        end loop;

        v_receipt := ledger_private.claim_transaction(
            exchange.book_id, v_door, 'exchange', exchange.idempotency_key, v_hash,
            exchange.effective_on, exchange.description, exchange.external_id,
            coalesce(exchange.metadata, '{}') || jsonb_build_object('exchange', jsonb_build_object(
                'sell_currency', v_sell.currency,
                'buy_currency', v_buy.currency,
                'sell_amount', exchange.sell_amount,
                'buy_amount', exchange.buy_amount,
                'rate', v_rate::text,
                'rounding',
                'Both amounts are exact; only the rate, shown to 10 significant digits, is rounded.'
            )),
            null, exchange.dry_run
        );
        if not v_receipt.replayed then
            v_receipt := ledger_private.post_legs(
                exchange.book_id, v_door, v_receipt,
                array[
                    row(
                        null, null, exchange.from_account_id, null, -exchange.sell_amount,
                        null, null, null
                    ),
                    row(null, null, v_sold, null, exchange.sell_amount, null, null, null),
                    row(null, null, v_bought, null, -exchange.buy_amount, null, null, null),
                    row(
                        null, null, exchange.to_account_id, null, exchange.buy_amount,
                        null, null, null
                    )
                ]::ledger_private.leg[],
                exchange.expect
            );
        end if;
        if v_receipt.dry_run then
            raise sqlstate 'TRDRY';
        end if;
    exception when sqlstate 'TRDRY' then
        -- The accounts are gone again; the receipt is not.
        null;
    end;
    return v_receipt;
end;
$$;

comment on function ledger_private.exchange is
'Exchange two amounts of two currencies: the engine of ledger.exchange. Minor units.';

revoke execute on function ledger_private.exchange
from public, anon, authenticated, service_role;
grant execute on function ledger_private.exchange to authenticated, service_role;

-- functions/ledger_private/inspect_items.sql

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

-- functions/ledger_private/lines_receipt.sql

-- ledger_private.lines_receipt: what a receipt says of decided lines. An account with several slots
-- has no single version or running balance. Called by the engine only.

create or replace function ledger_private.lines_receipt(
    receipt ledger.receipt,
    lines ledger_private.line[]
)
returns ledger.receipt
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    lines_receipt.receipt.entries := array(
        select row(
            l.account_id, l.amount,
            case when l.slots = 1 then l.balance_after end,
            case when l.slots = 1 then l.version end
        )::ledger.receipt_entry
        from unnest(lines_receipt.lines) as l
        order by l.leg
    );
    return lines_receipt.receipt;
end;
$$;

comment on function ledger_private.lines_receipt is
'Return a receipt with the entries of one posting.';

revoke execute on function ledger_private.lines_receipt
from public, anon, authenticated, service_role;

-- functions/ledger_private/lock_expected.sql

-- ledger_private.lock_expected: the accounts of a posting together with those that something is
-- expected of, locked in one sorted statement. A holder locks none that she does not hold. Called
-- by the engine only.

create or replace function ledger_private.lock_expected(
    book_id uuid,
    door ledger_private.door,
    account_ids uuid[],
    expect ledger.expectation[]
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_argument(
        'expect', cardinality(lock_expected.expect) <= 1000, 'at most 1000 expectations'
    );
    perform ledger_private.lock_accounts(
        lock_expected.book_id,
        lock_expected.account_ids || array(
            select x.account_id
            from unnest(lock_expected.expect) as x
            where
                (lock_expected.door).role <> 'holder'
                or exists (
                    select from ledger_private.account_holders as h
                    where
                        h.book_id = lock_expected.book_id
                        and h.account_id = x.account_id
                        and h.user_id = (lock_expected.door).user_id
                )
        )
    );
    perform ledger_private.check_expectations(
        lock_expected.book_id, lock_expected.door, lock_expected.expect
    );
end;
$$;

comment on function ledger_private.lock_expected is
'Lock the accounts of a posting and of its expectations, then compare the expectations.';

revoke execute on function ledger_private.lock_expected
from public, anon, authenticated, service_role;

-- functions/ledger_private/lock_hold.sql

-- ledger_private.lock_hold: level 4 of the global order. Locks a hold and reads its state. Called
-- by the engine only, under the lock of the balance that the hold reserves.

create or replace function ledger_private.lock_hold(book_id uuid, hold_id uuid)
returns ledger_private.holds
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_hold ledger_private.holds;
begin
    select h.* into v_hold
    from ledger_private.holds as h
    where h.book_id = lock_hold.book_id and h.id = lock_hold.hold_id
    for no key update;

    if v_hold.state <> 'pending' then
        perform ledger_private.raise_error('hold_state', jsonb_build_object(
            'hold_id', lock_hold.hold_id, 'state', v_hold.state
        ));
    end if;
    return v_hold;
exception when lock_not_available then
    perform ledger_private.raise_error('busy', jsonb_build_object('hold_id', lock_hold.hold_id));
    return null;
end;
$$;

comment on function ledger_private.lock_hold is
'Lock a hold and return it, or raise hold_state where it is no longer pending.';

revoke execute on function ledger_private.lock_hold
from public, anon, authenticated, service_role;

-- functions/ledger_private/lock_posting.sql

-- ledger_private.lock_posting: levels 2 and 3 of the global order for a posting of the general
-- engine: the groups of its accounts, then their balance rows, together with those of its
-- expectations, which are compared then. Called by the engine only.

create or replace function ledger_private.lock_posting(
    book_id uuid,
    door ledger_private.door,
    account_ids uuid[],
    expect ledger.expectation[]
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if (lock_posting.door).has_groups then
        perform ledger_private.lock_groups(lock_posting.book_id, lock_posting.account_ids);
    end if;
    if cardinality(lock_posting.expect) > 0 then
        perform ledger_private.lock_expected(
            lock_posting.book_id, lock_posting.door, lock_posting.account_ids, lock_posting.expect
        );
    else
        perform ledger_private.lock_accounts(lock_posting.book_id, lock_posting.account_ids);
    end if;
end;
$$;

comment on function ledger_private.lock_posting is
'Lock the groups and balance rows of a posting in the global order; compare its expectations.';

revoke execute on function ledger_private.lock_posting
from public, anon, authenticated, service_role;

-- functions/ledger_private/mask_receipt.sql

-- ledger_private.mask_receipt: a holder's receipt says nothing of accounts that she does not hold,
-- as row level security would have it. Called by the engine only.

create or replace function ledger_private.mask_receipt(
    door ledger_private.door,
    receipt ledger.receipt
)
returns ledger.receipt
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    if mask_receipt.door.role = 'holder' and mask_receipt.receipt.kind is not null then
        mask_receipt.receipt.entries := array(
            select (e.account_id, e.amount, e.balance_after, e.version)::ledger.receipt_entry
            from unnest(mask_receipt.receipt.entries) with ordinality as e (
                account_id, amount, balance_after, version, leg
            )
            inner join ledger_private.account_holders as h
                on h.book_id = mask_receipt.receipt.book_id
                and h.account_id = e.account_id
                and h.user_id = mask_receipt.door.user_id
            order by e.leg
        );
    end if;
    return mask_receipt.receipt;
end;
$$;

comment on function ledger_private.mask_receipt is
'Return the part of a receipt that its caller may see.';

revoke execute on function ledger_private.mask_receipt
from public, anon, authenticated, service_role;

-- functions/ledger_private/post_serializable.sql

-- ledger_private.post_serializable: the engine behind ledger.transfer_serializable.
--
-- A 40001 must not leave: some gateways repeat it for ever. It is caught here and becomes
-- serialization_conflict. Its words are read before: a transaction that Postgres has given up may
-- read no table any more.

create or replace function ledger_private.post_serializable(
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
as $$
declare
    v_conflict ledger_private.error_catalogue;
begin
    if current_setting('transaction_isolation') <> 'serializable' then
        perform ledger_private.raise_error('wrong_isolation', jsonb_build_object(
            'isolation', current_setting('transaction_isolation'), 'required', 'serializable'
        ));
    end if;
    select c.* into strict v_conflict
    from ledger_private.error_catalogue as c
    where c.code = 'serialization_conflict';

    return ledger_private.post_transfer(
        'transfer_serializable', post_serializable.book_id, post_serializable.from_account_id,
        post_serializable.to_account_id, post_serializable.amount,
        post_serializable.idempotency_key, post_serializable.effective_on,
        post_serializable.description, post_serializable.external_id,
        post_serializable.metadata, post_serializable.expect, post_serializable.dry_run
    );
exception when serialization_failure then
    perform ledger_private.raise_row(v_conflict, '{}');
    return null;
end;
$$;

comment on function ledger_private.post_serializable is
'Post a transfer at serializable, and turn a conflict into serialization_conflict.';

revoke execute on function ledger_private.post_serializable
from public, anon, authenticated, service_role;
grant execute on function ledger_private.post_serializable to authenticated, service_role;

-- functions/ledger_private/post_transfer.sql

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

-- functions/ledger_private/receipt_of.sql

-- ledger_private.receipt_of: the receipt of a transaction that is already there, with the balances
-- of that time.
--
-- Invoker: inside the engine it reads as the owner, from `ledger` as the caller, under row level
-- security.

create or replace function ledger_private.receipt_of(book_id uuid, transaction_id uuid)
returns ledger.receipt
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
    select
        t.id, t.book_id, t.kind, t.posted_at, t.effective_on, true, false,
        array(
            select l.line
            from ledger_private.receipt_lines as l
            where l.book_id = t.book_id and l.transaction_id = t.id
            order by l.leg
        )
    from ledger_private.transactions as t
    where t.book_id = receipt_of.book_id and t.id = receipt_of.transaction_id;
$$;

comment on function ledger_private.receipt_of is
'Return the stored receipt of a transaction, marked as replayed.';

revoke execute on function ledger_private.receipt_of from public, anon, authenticated, service_role;
grant execute on function ledger_private.receipt_of to authenticated, service_role;

-- functions/ledger_private/refuse_transfer.sql

-- ledger_private.refuse_transfer: say why two accounts cannot make a transfer. Called by
-- post_transfer only, under the locks of their balance rows, where it has found that something is
-- wrong: what it reads now is what was wrong.

create or replace function ledger_private.refuse_transfer(
    book_id uuid,
    door ledger_private.door,
    from_account_id uuid,
    to_account_id uuid,
    amount bigint
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_max constant bigint := 9007199254740991;
    v_holder boolean := (refuse_transfer.door).role = 'holder';
    v_code text;
    v_free bigint;
    v_from ledger_private.balances;
    v_to ledger_private.balances;
begin
    select b.* into v_from
    from ledger_private.balances as b
    where
        b.book_id = refuse_transfer.book_id
        and b.account_id = refuse_transfer.from_account_id
        and b.slot = mod(pg_backend_pid(), b.slots);

    select b.* into v_to
    from ledger_private.balances as b
    where
        b.book_id = refuse_transfer.book_id
        and b.account_id = refuse_transfer.to_account_id
        and b.slot = mod(pg_backend_pid(), b.slots);

    v_free := v_from.posted - v_from.held - v_from.min_balance;
    v_code := case
        when v_from.slots is null or v_to.slots is null then 'account_not_found'
        when v_from.status <> 'open' then 'account_' || v_from.status
        when v_to.status <> 'open' then 'account_' || v_to.status
        when v_from.currency <> v_to.currency then 'currency_mismatch'
        when v_free < refuse_transfer.amount then 'insufficient_funds'
        when v_to.posted + refuse_transfer.amount > v_to.max_balance then 'limit_exceeded'
        else 'amount_out_of_range'
    end;
    perform ledger_private.raise_error(v_code, jsonb_strip_nulls(case v_code
        when 'currency_mismatch' then jsonb_build_object(
            'from', v_from.currency, 'to', v_to.currency
        )
        when 'insufficient_funds' then jsonb_build_object(
            'account_id', v_from.account_id,
            'available', v_free,
            'required', refuse_transfer.amount
        )
        -- A holder is not told what others have.
        when 'limit_exceeded' then jsonb_build_object(
            'account_id', v_to.account_id,
            'max_balance', case when not v_holder then v_to.max_balance end,
            'balance', case when not v_holder then v_to.posted + refuse_transfer.amount end
        )
        else jsonb_build_object('account_id', case
            when
                v_from.status is distinct from 'open'
                or v_from.posted - refuse_transfer.amount < -v_max / v_from.slots
                then refuse_transfer.from_account_id
            else refuse_transfer.to_account_id
        end)
    end));
end;
$$;

comment on function ledger_private.refuse_transfer is
'Raise the error of a transfer that its accounts do not allow. Amount in minor units.';

revoke execute on function ledger_private.refuse_transfer
from public, anon, authenticated, service_role;

-- functions/ledger_private/replay.sql

-- ledger_private.replay: the answer to an idempotency key that is taken. Called by the engine only.
--
-- Volatile, though it only reads: the row may have been committed after the caller's statement
-- began, and a stable function would look with that statement's snapshot.

create or replace function ledger_private.replay(
    book_id uuid,
    door ledger_private.door,
    idempotency_key text,
    request_hash bytea,
    dry_run boolean default false
)
returns ledger.receipt
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_transaction_id uuid;
    v_request_hash bytea;
begin
    select t.id, t.request_hash into v_transaction_id, v_request_hash
    from ledger_private.transactions as t
    where t.book_id = replay.book_id and t.idempotency_key = replay.idempotency_key;

    if v_request_hash <> replay.request_hash then
        perform ledger_private.raise_error(
            'idempotency_mismatch', jsonb_build_object('idempotency_key', replay.idempotency_key)
        );
    elsif v_transaction_id is null then
        return null;
    end if;
    return ledger_private.as_replay(
        replay.door, ledger_private.receipt_of(replay.book_id, v_transaction_id), replay.dry_run
    );
end;
$$;

comment on function ledger_private.replay is
'Return the first receipt of a key, null where it is free, or refuse a different request.';

revoke execute on function ledger_private.replay
from public, anon, authenticated, service_role;

-- functions/ledger_private/replayed_results.sql

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

-- functions/ledger_private/reverse_transaction.sql

-- ledger_private.reverse_transaction: the engine behind ledger.reverse_transaction.
--
-- The original's row is the lock between its reversals: under it what they have taken back so far
-- is read. It is also written, unchanged: a reversal at repeatable read or above, whose snapshot
-- may be older than another one, aborts (40001) instead of missing it. Its balances would not do
-- for that: accounts with several slots may meet in different rows.
--
-- Entries of one account become one leg: each alone might cross a floor that their sum keeps.

create or replace function ledger_private.reverse_transaction(
    book_id uuid,
    transaction_id uuid,
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
declare
    v_max constant bigint := 9007199254740991;
    v_door ledger_private.door;
    v_hash bytea;
    v_receipt ledger.receipt;
    v_accounts uuid[];
    v_amounts numeric[];
    v_left numeric;
    v_legs ledger_private.leg[];
begin
    if reverse_transaction.amount not between 1 and v_max then
        perform ledger_private.raise_error(
            'invalid_amount', jsonb_build_object('amount', reverse_transaction.amount)
        );
    end if;
    v_hash := ledger_private.check_posting(
        'reverse_transaction',
        concat_ws(
            ' ', reverse_transaction.transaction_id, reverse_transaction.amount,
            nullif(reverse_transaction.expect, '{}')
        ),
        reverse_transaction.idempotency_key, reverse_transaction.effective_on,
        reverse_transaction.description, reverse_transaction.external_id,
        reverse_transaction.metadata
    );
    v_door := ledger_private.enter_book(
        reverse_transaction.book_id, 'editor', replay_key => reverse_transaction.idempotency_key
    );
    perform
    from ledger_private.transactions as t
    where
        t.book_id = reverse_transaction.book_id and t.id = reverse_transaction.transaction_id;
    if not found then
        perform ledger_private.raise_error('transaction_not_found', jsonb_build_object(
            'transaction_id', reverse_transaction.transaction_id
        ));
    end if;

    v_receipt := ledger_private.claim_transaction(
        reverse_transaction.book_id, v_door, 'reversal', reverse_transaction.idempotency_key,
        v_hash, reverse_transaction.effective_on, reverse_transaction.description,
        reverse_transaction.external_id, reverse_transaction.metadata,
        reverse_transaction.transaction_id, reverse_transaction.dry_run
    );
    if v_receipt.replayed then
        return v_receipt;
    end if;
    begin
        perform
        from ledger_private.transactions as t
        where
            t.book_id = reverse_transaction.book_id and t.id = reverse_transaction.transaction_id
        for no key update;
        if not v_receipt.dry_run then
            update ledger_private.transactions as t
            set description = t.description
            where
                t.book_id = reverse_transaction.book_id
                and t.id = reverse_transaction.transaction_id;
        end if;
    exception when lock_not_available then
        perform ledger_private.raise_error('busy', jsonb_build_object(
            'transaction_id', reverse_transaction.transaction_id
        ));
    end;

    select
        array_agg(o.account_id order by o.leg),
        array_agg(o.amount order by o.leg),
        sum(greatest(o.amount, 0))
    into v_accounts, v_amounts, v_left
    from (
        select e.account_id, sum(e.amount) as amount, min(e.leg) as leg
        from ledger_private.entries as e
        where
            e.book_id = reverse_transaction.book_id
            and e.transaction_id = reverse_transaction.transaction_id
        group by e.account_id
        having sum(e.amount) <> 0
    ) as o;
    select v_left - coalesce(sum(e.amount), 0) into v_left
    from ledger_private.transactions as t
    inner join ledger_private.entries as e
        on e.book_id = t.book_id and e.transaction_id = t.id and e.amount > 0
    where
        t.book_id = reverse_transaction.book_id
        and t.reverses_id = reverse_transaction.transaction_id;

    perform ledger_private.check_argument(
        'amount',
        reverse_transaction.amount is null or cardinality(v_accounts) > 2 is not true,
        'null: only what has two entries can be reversed in part'
    );
    if coalesce(v_left, 0) = 0 or v_left < reverse_transaction.amount then
        perform ledger_private.raise_error('already_reversed', jsonb_build_object(
            'transaction_id', reverse_transaction.transaction_id, 'remaining', coalesce(v_left, 0)
        ));
    end if;
    v_legs := array(
        select row(
            null, null, l.account_id, null,
            case
                when cardinality(v_accounts) > 2 then -l.amount
                else -sign(l.amount) * coalesce(reverse_transaction.amount, v_left)
            end,
            null, null, null
        )::ledger_private.leg
        from unnest(v_accounts, v_amounts) with ordinality as l (account_id, amount, n)
        order by l.n
    );
    return ledger_private.post_legs(
        reverse_transaction.book_id, v_door, v_receipt, v_legs, reverse_transaction.expect
    );
end;
$$;

comment on function ledger_private.reverse_transaction is
$$Post a transaction with its signs turned: the engine of ledger.reverse_transaction. amount in
minor units, null for all that is left.$$;

revoke execute on function ledger_private.reverse_transaction
from public, anon, authenticated, service_role;
grant execute on function ledger_private.reverse_transaction to authenticated, service_role;

-- sql/ledger/holders.sql

-- Holders as callers see them; also what set_holder and remove_holder return.

create view ledger.holders with (security_invoker = true) as
select
    h.book_id,
    h.account_id,
    h.user_id,
    h.access,
    h.created_at
from ledger_private.account_holders as h;

comment on view ledger.holders is 'Who holds which account: access view or spend.';

revoke all on table ledger.holders from public, anon, authenticated, service_role;
grant select on table ledger.holders to authenticated, service_role;

-- sql/ledger/holds.sql

-- Holds as callers see them; also what the hold functions return.

create view ledger.holds with (security_invoker = true) as
select
    h.id,
    h.book_id,
    h.account_id,
    h.to_account_id,
    h.amount::bigint as amount,
    h.captured::bigint as captured,
    h.released::bigint as released,
    h.expires_at,
    h.state,
    h.description,
    h.metadata,
    h.created_by,
    h.created_at
from ledger_private.holds as h;

comment on view ledger.holds is 'Holds on the accounts of your books, in minor units.';

revoke all on table ledger.holds from public, anon, authenticated, service_role;
grant select on table ledger.holds to authenticated, service_role;

-- sql/ledger/periods.sql

-- Locked periods as callers see them; also what lock_period and unlock_period return.

create view ledger.periods with (security_invoker = true) as
select
    p.book_id,
    p.from_date,
    p.to_date,
    p.created_at
from ledger_private.period_locks as p;

comment on view ledger.periods is 'Locked periods of your books, both days included.';

revoke all on table ledger.periods from public, anon, authenticated, service_role;
grant select on table ledger.periods to authenticated, service_role;

-- sql/ledger_private/account_group_members.sql

-- The accounts of a group: of one currency and with one slot each. An account may be in several
-- groups. Rows change only under the exclusive lock of their book.

create table ledger_private.account_group_members (
    book_id uuid not null,
    account_id uuid not null,
    group_id uuid not null,
    -- Postings: the groups of an account.
    constraint account_group_members_pkey primary key (book_id, account_id, group_id),
    constraint account_group_members_account_fkey foreign key (book_id, account_id)
    references ledger_private.accounts (book_id, id),
    constraint account_group_members_group_fkey foreign key (book_id, group_id)
    references ledger_private.account_groups (book_id, id) on delete cascade
);

-- Sums: the accounts of a group.
create index account_group_members_group_id_idx
on ledger_private.account_group_members (book_id, group_id, account_id);

alter table ledger_private.account_group_members enable row level security;
create policy group_members_of_members on ledger_private.account_group_members
for select to authenticated
using (book_id = any((select ledger_private.my_books())::uuid[]));

revoke all on table ledger_private.account_group_members
from public, anon, authenticated, service_role;
grant select on table ledger_private.account_group_members to authenticated, service_role;

comment on table ledger_private.account_group_members is 'Which accounts share a joint floor.';

-- sql/ledger_private/decision.sql

-- What decide found: the entries of the items that may be posted, what they make of the balance
-- rows, and why the other items may not.

create type ledger_private.decision as (
    booked_at timestamptz,
    lines ledger_private.line [],
    accounts uuid [],
    slots smallint [],
    posted bigint [],
    held bigint [],
    versions bigint [],
    hashes bytea [],
    refused integer [],
    codes text [],
    details jsonb []
);

comment on type ledger_private.decision is
$$lines: entries in item order. accounts to hashes: the balance rows that are met, as they will be;
posted is null where nothing happens. refused: ordinals of refused items, rising, with codes and
details.$$;

-- functions/ledger/create_hold.sql

-- ledger.create_hold: set money of an account aside for another one.
--
-- The id is the lock between duplicates, as an idempotency key is.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_amount, invalid_argument,
--         same_account, account_frozen, account_closed, currency_mismatch, insufficient_funds,
--         amount_out_of_range, group_floor, idempotency_mismatch, book_archived, busy
-- Tests   tests/integration/ledger/test_create_hold.py

create or replace function ledger.create_hold(
    book_id uuid,
    account_id uuid,
    to_account_id uuid,
    amount bigint,
    expires_at timestamptz default null,
    description text default null,
    metadata jsonb default null,
    id uuid default null
)
returns ledger.holds
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.create_hold(
        create_hold.book_id, create_hold.account_id, create_hold.to_account_id,
        create_hold.amount, create_hold.expires_at, create_hold.description,
        create_hold.metadata, create_hold.id
    );
end;
$$;

comment on function ledger.create_hold is
$$Set money of an account aside, to be captured later, in parts or whole, or let go.

It counts against available from now on. Both accounts must be open and of one currency; the first
has one slot. amount: minor units. expires_at: from then on it can no longer be captured, and
expire_holds gives the money back. id: the caller's own, so that a repeat returns the hold of the
first call as it is now. Editors and owners; holders from accounts that they may spend from.$$;

revoke execute on function ledger.create_hold from public, anon, authenticated, service_role;
grant execute on function ledger.create_hold to authenticated, service_role;

-- functions/ledger/release_hold.sql

-- ledger.release_hold: give back what a hold has set aside.
--
-- Raises  book_not_found, forbidden, hold_not_found, hold_state, book_archived, busy
-- Tests   tests/integration/ledger/test_release_hold.py

create or replace function ledger.release_hold(
    book_id uuid,
    hold_id uuid
)
returns ledger.holds
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
begin
    return ledger_private.release_hold(release_hold.book_id, release_hold.hold_id);
end;
$$;

comment on function ledger.release_hold is
$$Release a hold: what is left of it is available again.

Only pending holds, also those that have expired since. Editors and owners.$$;

revoke execute on function ledger.release_hold from public, anon, authenticated, service_role;
grant execute on function ledger.release_hold to authenticated, service_role;

-- functions/ledger_private/check_balances.sql

-- ledger_private.check_balances: the part of verify_book about what balances carry beside the end
-- of their chain: copies of the account's facts, slots, limits, holds, and the sums by value date.
-- Called by verify_book only. Reads few entries: only those with a value date of their own.

create or replace function ledger_private.check_balances(book_id uuid)
returns setof ledger.check_result
language sql
stable
security invoker
set search_path = pg_catalog, pg_temp
set jit = off
as $$
    with compared as materialized (
        select
            coalesce(a.id, b.account_id) as account_id,
            a.currency = b.currency
            and b.currencies = 1
            and b.states = 1
            and b.slots = b.counted
            and b.first_slot = 0
            and b.last_slot = b.slots - 1
            and b.sizes = 1 as same,
            coalesce(b.within, true) as within,
            coalesce(b.settled, true) as settled,
            coalesce(b.held, 0) = coalesce(h.held, 0) and coalesce(b.least_held, 0) >= 0 as reserved
        from (
            select x.id, x.currency
            from ledger_private.accounts as x
            where x.book_id = check_balances.book_id
        ) as a
        full join (
            select
                x.account_id,
                min(x.currency) as currency,
                count(distinct x.currency) as currencies,
                count(distinct x.status) as states,
                count(distinct x.slots) as sizes,
                max(x.slots) as slots,
                count(*) as counted,
                min(x.slot) as first_slot,
                max(x.slot) as last_slot,
                sum(x.held) as held,
                min(x.held) as least_held,
                bool_and(
                    coalesce(x.posted - x.held >= x.min_balance, true)
                    and coalesce(x.posted <= x.max_balance, true)
                    and (x.slots = 1 or coalesce(x.min_balance, x.max_balance) is null)
                    and abs(x.posted) * x.slots <= 9007199254740991
                ) as within,
                bool_and(x.status <> 'closed' or (x.posted = 0 and x.held = 0)) as settled
            from ledger_private.balances as x
            where x.book_id = check_balances.book_id
            group by x.account_id
        ) as b on b.account_id = a.id
        full join (
            select x.account_id, sum(x.amount - x.captured) as held
            from ledger_private.holds as x
            where x.book_id = check_balances.book_id and x.state = 'pending'
            group by x.account_id
        ) as h on h.account_id = a.id
    ),

    shifts as (
        select x.account_id, x.slot, x.grain, x.starts_on, x.amount
        from ledger_private.value_shifts as x
        where x.book_id = check_balances.book_id
        union all
        select e.account_id, e.slot, g.grain, date_trunc(g.grain, s.day::timestamp)::date, s.amount
        from ledger_private.entries as e
        cross join lateral (
            values
            (e.dated, -e.amount::numeric),
            ((e.booked_at at time zone 'UTC')::date, e.amount::numeric)
        ) as s (day, amount)
        cross join (values ('day'), ('month')) as g (grain)
        where e.book_id = check_balances.book_id and e.dated is not null
    ),

    faults (check_name, first) as (
        select k.check_name, jsonb_build_object('account_id', c.account_id)
        from compared as c
        cross join lateral (
            values
            ('balances_match_accounts', c.same),
            ('balances_are_within_limits', c.within),
            ('closed_accounts_are_empty', c.settled),
            ('held_matches_holds', c.reserved)
        ) as k (check_name, ok)
        where k.ok is not true
        union all
        select
            'value_shifts_match',
            jsonb_build_object('account_id', s.account_id, 'slot', s.slot, s.grain, s.starts_on)
        from shifts as s
        group by s.account_id, s.slot, s.grain, s.starts_on
        having sum(s.amount) <> 0
        union all
        select 'groups_keep_their_floors', jsonb_build_object('group_id', s.id)
        from (
            select coalesce(g.id, m.group_id) as id, g.min_total, m.account_id
            from (
                select x.id, x.min_total
                from ledger_private.account_groups as x
                where x.book_id = check_balances.book_id
            ) as g
            full join (
                select x.group_id, x.account_id
                from ledger_private.account_group_members as x
                where x.book_id = check_balances.book_id
            ) as m on m.group_id = g.id
        ) as s
        left join ledger_private.accounts as a
            on a.book_id = check_balances.book_id and a.id = s.account_id
        left join ledger_private.balances as b
            on b.book_id = a.book_id and b.account_id = a.id
        group by s.id, s.min_total
        having
            (sum(b.posted - b.held) >= s.min_total) is not true
            or bool_or(b.account_id is null)
            or count(distinct a.currency) > 1
            or max(b.slots) > 1
        union all
        select 'holds_have_accounts', jsonb_build_object('hold_id', h.id)
        from ledger_private.holds as h
        left join ledger_private.accounts as g
            on g.book_id = h.book_id and g.id = h.account_id
        left join ledger_private.accounts as t
            on t.book_id = h.book_id and t.id = h.to_account_id
        where
            h.book_id = check_balances.book_id
            and (g.currency = t.currency and g.id <> t.id) is not true
    )

    select
        n.check_name,
        count(f.check_name) = 0,
        jsonb_build_object(
            'offenders', count(f.check_name), 'first', jsonb_agg(f.first order by f.first) -> 0
        )
    from (
        values
        (1, 'value_shifts_match'), (2, 'balances_match_accounts'),
        (3, 'balances_are_within_limits'), (4, 'closed_accounts_are_empty'),
        (5, 'groups_keep_their_floors'), (6, 'held_matches_holds'), (7, 'holds_have_accounts')
    ) as n (position, check_name)
    left join faults as f on f.check_name = n.check_name
    group by n.position, n.check_name
    order by n.position;
$$;

comment on function ledger_private.check_balances is
'Check the balances of a book against its accounts, limits, groups, holds and value dates.';

revoke execute on function ledger_private.check_balances
from public, anon, authenticated, service_role;

-- functions/ledger_private/create_hold.sql

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

-- functions/ledger_private/decide.sql

-- ledger_private.decide: what postings do, in item order, and which of them are refused. The half
-- of the general engine that writes nothing. Called by the engine only, under the locks of
-- lock_groups and lock_accounts.
--
-- One statement brings every leg with its balance row, and what is wrong with it whatever the
-- balances are; the loop runs the balances. An item that is refused moves nothing, and the next is
-- judged as if it had never been: one pass, no subtransactions.
--
-- Refusals name no balance of an account that a holder does not hold.

create or replace function ledger_private.decide(
    book_id uuid,
    door ledger_private.door,
    legs ledger_private.leg[],
    per_item boolean
)
returns ledger_private.decision
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_decision ledger_private.decision;
    v_holder boolean := (decide.door).role = 'holder';
    v_has_groups boolean := (decide.door).has_groups;
    v_has_periods boolean := (decide.door).has_periods;
    v_now timestamptz := clock_timestamp();
    v_lines ledger_private.line[] := '{}'::ledger_private.line[];
    v_count integer := 0;
    v_refused integer[] := '{}'::integer[];
    v_codes text[] := '{}'::text[];
    v_details jsonb[] := '{}'::jsonb[];
    v_refusals integer := 0;
    -- Of each balance row that is met: what the items so far have made of it.
    v_posted bigint[] := array_fill(null::bigint, array[cardinality(decide.legs)]);
    v_held bigint[] := v_posted;
    v_versions bigint[] := v_posted;
    -- As long as the others from the start: the place of a row is the same in all of them.
    v_accounts uuid[] := array_fill(null::uuid, array[cardinality(decide.legs)]);
    v_slots smallint[] := array_fill(null::smallint, array[cardinality(decide.legs)]);
    v_hashes bytea[] := array_fill(null::bytea, array[cardinality(decide.legs)]);
    -- Of the item at hand: what its legs have overwritten.
    v_undo_rows integer[] := '{}'::integer[];
    v_undo_hashes bytea[] := '{}'::bytea[];
    -- Of each group that is met.
    v_groups uuid[];
    v_floors bigint[];
    v_totals numeric[];
    v_deltas numeric[];
    v_group integer;
    v_ordinal integer := 0;
    v_leg integer;
    v_row integer;
    v_moment timestamptz;
    v_today date;
    v_code text;
    v_before bigint;
    v_after bigint;
    v_version bigint;
    v_hash bytea;
    v record;
begin
    if v_has_groups then
        select array_agg(g.id), array_agg(g.min_total), array_agg(t.total)
        into v_groups, v_floors, v_totals
        from ledger_private.account_groups as g
        cross join lateral (
            select sum(b.posted - b.held) as total
            from ledger_private.account_group_members as m
            inner join ledger_private.balances as b
                on b.book_id = m.book_id and b.account_id = m.account_id and b.slot = 0
            where m.book_id = g.book_id and m.group_id = g.id
        ) as t
        where g.book_id = decide.book_id and g.id = any(array(
            select m.group_id
            from unnest(decide.legs) as l
            inner join ledger_private.account_group_members as m
                on m.book_id = decide.book_id and m.account_id = l.account_id
        ));
        v_has_groups := v_groups is not null;
    end if;

    for v in
        with met as materialized (
            select
                x.account_id, x.slot as asked_slot, b.slot, b.slots, b.posted, b.version, b.hash,
                b.status, b.currency,
                b.held + b.min_balance as floor,
                b.max_balance as ceiling,
                9007199254740991 / b.slots as cap,
                row_number() over ()::integer as at_row,
                greatest(v_now, max(b.booked_at) over ()) as moment
            from (
                select distinct l.account_id, l.slot from unnest(decide.legs) as l
            ) as x
            left join ledger_private.balances as b
                on b.book_id = decide.book_id and b.account_id = x.account_id
                and b.slot = coalesce(x.slot, mod(pg_backend_pid(), b.slots))
        ),

        -- The sum of all amounts is zero by now: only where currencies are mixed may one not be.
        unbalanced as (
            select distinct l.ordinal
            from unnest(decide.legs) as l
            inner join met as m
                on m.account_id = l.account_id and m.asked_slot is not distinct from l.slot
            where (select min(y.currency) <> max(y.currency) from met as y)
            group by l.ordinal, m.currency
            having sum(l.amount) <> 0
        )

        select
            l.ordinal, l.leg, l.account_id, l.amount, coalesce(l.held, 0) as adds_held,
            l.transaction_id, l.effective_on, m.slot, m.slots, m.posted, m.version, m.hash,
            m.currency, m.floor, m.ceiling, m.cap, m.at_row, m.moment,
            case
                when m.slots is null then 'account_not_found'
                when v_has_periods and exists (
                    select from ledger_private.period_locks as p
                    where
                        p.book_id = decide.book_id
                        and l.effective_on between p.from_date and p.to_date
                ) then 'period_locked'
                when l.ordinal in (select u.ordinal from unbalanced as u) then 'unbalanced'
                when m.status <> 'open' then 'account_' || m.status
            end as refusal,
            case when v_has_groups then array(
                select array_position(v_groups, g.group_id)
                from ledger_private.account_group_members as g
                where g.book_id = decide.book_id and g.account_id = l.account_id
            ) end as groups,
            e.turn is not null as is_last
        from unnest(decide.legs) as l
        inner join met as m
            on m.account_id = l.account_id and m.asked_slot is not distinct from l.slot
        cross join lateral (
            select case when v_holder and l.amount > 0 then l.leg + 1000 else l.leg end as turn
        ) as t
        left join (
            select
                y.ordinal,
                max(case when v_holder and y.amount > 0 then y.leg + 1000 else y.leg end) as turn
            from unnest(decide.legs) as y
            where v_has_groups
            group by y.ordinal
        ) as e on e.ordinal = l.ordinal and e.turn = t.turn
        -- A holder learns that her own money does not do before she learns of others' limits.
        order by l.ordinal, t.turn
    loop
        if v.ordinal <> v_ordinal then
            v_ordinal := v.ordinal;
            v_moment := v.moment;
            v_today := (v_moment at time zone 'UTC')::date;
            v_leg := 0;
            v_code := null;
            if v_has_groups then
                v_deltas := array_fill(0::numeric, array[cardinality(v_groups)]);
            end if;
        end if;
        continue when v_code is not null;

        v_before := coalesce(v_posted[v.at_row], v.posted);
        v_after := v_before + v.amount;
        v_code := case
            when v.refusal is not null then v.refusal
            when v_after - v.adds_held < v.floor and v.amount < v.adds_held
                then 'insufficient_funds'
            when v_after > v.ceiling and v.amount > 0 then 'limit_exceeded'
            when v_after not between -v.cap and v.cap then 'amount_out_of_range'
        end;

        if v_has_groups and v_code is null then
            foreach v_group in array v.groups loop
                v_deltas[v_group] := v_deltas[v_group] + v.amount - v.adds_held;
            end loop;
            if v.is_last then
                select min(g.n) into v_group
                from unnest(v_deltas, v_totals, v_floors)
                with ordinality as g (delta, total, floor, n)
                where g.delta < 0 and g.total + g.delta < g.floor;
                v_code := case when v_group is not null then 'group_floor' end;
                if v_code is null then
                    v_totals := array(
                        select g.total + g.delta
                        from unnest(v_totals, v_deltas) with ordinality as g (total, delta, n)
                        order by g.n
                    );
                end if;
            end if;
        end if;

        if v_code is null then
            v_version := coalesce(v_versions[v.at_row], v.version) + 1;
            -- The format, and why array_send, is told in sql/ledger_private/entries.sql.
            v_hash := sha256(
                '\x01'::bytea || coalesce(v_hashes[v.at_row], v.hash)
                || substr(array_send(array[
                    uuid_send(decide.book_id), uuid_send(v.account_id), int2send(v.slot),
                    int8send(v_version), uuid_send(v.transaction_id), int2send(v.leg),
                    int8send(v.amount), int8send(v_after), timestamptz_send(v.moment),
                    date_send(v.effective_on), convert_to(v.currency, 'UTF8')
                ]), 21)
            );
            if v_version = v.version + 1 then
                v_accounts[v.at_row] := v.account_id;
                v_slots[v.at_row] := v.slot;
            end if;
            if v.adds_held <> 0 then
                v_held[v.at_row] := v.adds_held;
            end if;
            v_leg := v_leg + 1;
            if decide.per_item then
                v_undo_rows[v_leg] := v.at_row;
                v_undo_hashes[v_leg] := v_hashes[v.at_row];
            end if;
            v_posted[v.at_row] := v_after;
            v_versions[v.at_row] := v_version;
            v_hashes[v.at_row] := v_hash;
            v_count := v_count + 1;
            v_lines[v_count] := row(
                v.ordinal, v.leg, v.account_id, v.transaction_id, v_version, v.amount, v_after,
                v.slot, v.slots,
                nullif(v.effective_on, v_today),
                v.currency, v_hash
            )::ledger_private.line;
            continue;
        end if;

        v_refusals := v_refusals + 1;
        v_refused[v_refusals] := v_ordinal;
        v_codes[v_refusals] := v_code;
        v_details[v_refusals] := jsonb_strip_nulls(case v_code
            when 'insufficient_funds' then jsonb_build_object(
                'account_id', v.account_id,
                'available', v_before - v.floor,
                'required', v.adds_held - v.amount
            )
            when 'limit_exceeded' then jsonb_build_object(
                'account_id', v.account_id,
                'max_balance', case when not v_holder then v.ceiling end,
                'balance', case when not v_holder then v_after end
            )
            when 'group_floor' then jsonb_build_object(
                'group_id', v_groups[v_group],
                'available',
                case when not v_holder then v_totals[v_group] - v_floors[v_group] end,
                'required', -v_deltas[v_group]
            )
            when 'period_locked' then jsonb_build_object('effective_on', v.effective_on)
            when 'unbalanced' then '{}'
            else jsonb_build_object('account_id', v.account_id)
        end);
        exit when not decide.per_item;
        while v_leg > 0 loop
            v_row := v_undo_rows[v_leg];
            v_posted[v_row] := v_posted[v_row] - v_lines[v_count].amount;
            v_versions[v_row] := v_versions[v_row] - 1;
            v_hashes[v_row] := v_undo_hashes[v_leg];
            v_leg := v_leg - 1;
            v_count := v_count - 1;
        end loop;
    end loop;

    v_decision.lines := v_lines[:v_count];
    v_decision.booked_at := v_moment;
    v_decision.accounts := v_accounts;
    v_decision.slots := v_slots;
    v_decision.posted := v_posted;
    v_decision.held := v_held;
    v_decision.versions := v_versions;
    v_decision.hashes := v_hashes;
    v_decision.refused := v_refused;
    v_decision.codes := v_codes;
    v_decision.details := v_details;
    return v_decision;
end;
$$;

comment on function ledger_private.decide is
$$Run postings over the locked balances, in item order, and hash their entries.

per_item: go on after a refusal; else stop at the first.$$;

revoke execute on function ledger_private.decide
from public, anon, authenticated, service_role;

-- functions/ledger_private/find_hold.sql

-- ledger_private.find_hold: a hold, for those who have come through enter_book. What it says of the
-- accounts never changes; its state may only be trusted after lock_hold. Called by the engine only.

create or replace function ledger_private.find_hold(book_id uuid, hold_id uuid)
returns ledger.holds
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_hold ledger.holds;
begin
    select h.* into v_hold
    from ledger.holds as h
    where h.book_id = find_hold.book_id and h.id = find_hold.hold_id;

    if not found then
        perform ledger_private.raise_error(
            'hold_not_found', jsonb_build_object('hold_id', find_hold.hold_id)
        );
    end if;
    return v_hold;
end;
$$;

comment on function ledger_private.find_hold is 'Return a hold, or raise hold_not_found.';

revoke execute on function ledger_private.find_hold
from public, anon, authenticated, service_role;

-- functions/ledger_private/item_results.sql

-- ledger_private.item_results: what a batch has made of its items. Called by post_items only, after
-- everything is written.

create or replace function ledger_private.item_results(
    book_id uuid,
    items ledger_private.item[],
    decision ledger_private.decision,
    posted_at timestamptz,
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
    select
        i.ordinal,
        case when p.entries is not null then row(
            case when not item_results.dry_run then i.id end, item_results.book_id,
            'transaction', item_results.posted_at,
            coalesce(i.effective_on, (now() at time zone 'UTC')::date),
            false, item_results.dry_run, p.entries
        )::ledger.receipt end,
        coalesce(i.code, r.code),
        case when i.code is null then r.details else i.details end
    from unnest(item_results.items) as i
    left join (
        select
            l.ordinal,
            array_agg(row(
                l.account_id, l.amount,
                case when l.slots = 1 then l.balance_after end,
                case when l.slots = 1 then l.version end
            )::ledger.receipt_entry order by l.leg) as entries
        from unnest((item_results.decision).lines) as l
        group by l.ordinal
    ) as p on p.ordinal = i.ordinal
    left join unnest(
        (item_results.decision).refused,
        (item_results.decision).codes,
        (item_results.decision).details
    ) as r (ordinal, code, details) on r.ordinal = i.ordinal;
end;
$$;

comment on function ledger_private.item_results is
'Return the result of each item of a batch; nothing for replays.';

revoke execute on function ledger_private.item_results
from public, anon, authenticated, service_role;

-- functions/ledger_private/lock_period.sql

-- ledger_private.lock_period: the engine behind ledger.lock_period. Under the exclusive lock: a
-- posting that has found its date free must end first.

create or replace function ledger_private.lock_period(book_id uuid, from_date date, to_date date)
returns ledger.periods
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_period ledger.periods;
begin
    perform ledger_private.check_argument(
        'from_date',
        lock_period.from_date between '0001-01-01' and '9999-12-31',
        'a date from 0001-01-01 to 9999-12-31'
    );
    perform ledger_private.check_argument(
        'to_date',
        lock_period.to_date between lock_period.from_date and '9999-12-31',
        'a date from from_date to 9999-12-31'
    );
    perform ledger_private.enter_book(lock_period.book_id, 'owner', exclusive => true);

    insert into ledger_private.period_locks (book_id, from_date, to_date)
    values (lock_period.book_id, lock_period.from_date, lock_period.to_date)
    on conflict on constraint period_locks_pkey do nothing;

    update ledger_private.books as b
    set has_periods = true
    where b.id = lock_period.book_id and not b.has_periods;

    select p.* into v_period
    from ledger.periods as p
    where
        p.book_id = lock_period.book_id
        and p.from_date = lock_period.from_date
        and p.to_date = lock_period.to_date;
    return v_period;
end;
$$;

comment on function ledger_private.lock_period is
'Close a period: the engine of ledger.lock_period. Both days included.';

revoke execute on function ledger_private.lock_period
from public, anon, authenticated, service_role;
grant execute on function ledger_private.lock_period to authenticated, service_role;

-- functions/ledger_private/post_items.sql

-- ledger_private.post_items: the engine behind post_transaction and post_transactions.
--
-- Set-based: one statement a table, whatever the number of items, and one pass over all legs. A
-- refused item is taken back by deleting its transaction's row, which nobody has seen; there is no
-- subtransaction for each.

create or replace function ledger_private.post_items(
    mode text,
    book_id uuid,
    transactions ledger.transaction_input[],
    expect ledger.expectation[],
    dry_run boolean
)
returns setof ledger.posting_result
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_per_item boolean := post_items.mode is not distinct from 'per_item';
    v_dry_run boolean := coalesce(post_items.dry_run, false);
    v_posted_at timestamptz;
    v_door ledger_private.door;
    v_items ledger_private.item[];
    v_legs ledger_private.leg[];
    v_accounts uuid[];
    v_decision ledger_private.decision;
    v_results ledger.posting_result[];
    v record;
begin
    perform ledger_private.check_argument(
        'transactions',
        coalesce(cardinality(post_items.transactions) between 1 and 10000, false),
        '1 to 10000 transactions'
    );
    v_items := ledger_private.inspect_items(post_items.transactions, case post_items.mode
        when 'single' then post_items.expect
    end);
    v_door := ledger_private.enter_book(
        post_items.book_id, 'holder', replay_key => v_items[1].idempotency_key
    );
    if v_door.role = 'holder' then
        v_items := ledger_private.deny_items(post_items.book_id, v_door.user_id, v_items);
    end if;
    v_posted_at := clock_timestamp();
    v_items := ledger_private.claim_items(
        post_items.book_id, v_door.user_id, v_items, v_posted_at, v_dry_run
    );
    -- A key that was used before has opened an archived book: for replays only.
    if v_door.archived and exists (
        select from unnest(v_items) as i where i.id is not null and i.code is null
    ) then
        perform ledger_private.raise_error(
            'book_archived', jsonb_build_object('book_id', post_items.book_id)
        );
    end if;
    if not v_per_item then
        select i.code, i.details, i.ordinal into v
        from unnest(v_items) as i
        where i.code is not null
        order by i.ordinal
        limit 1;
        if found then
            perform ledger_private.refuse_item(post_items.mode, v.code, v.details, v.ordinal);
        end if;
    end if;

    v_legs := array(
        select row(
            i.ordinal, l.leg, l.account_id, null, l.amount, 0, i.id,
            coalesce(i.effective_on, (now() at time zone 'UTC')::date)
        )::ledger_private.leg
        from unnest(v_items) as i
        cross join lateral unnest(i.entries) with ordinality as l (account_id, amount, leg)
        where i.code is null and i.id is not null
    );
    v_accounts := array(select distinct l.account_id from unnest(v_legs) as l);
    -- A call that only replays compares nothing: what was expected was compared then.
    perform ledger_private.lock_posting(
        post_items.book_id, v_door, v_accounts,
        case when cardinality(v_legs) > 0 then post_items.expect end
    );
    v_decision := ledger_private.decide(post_items.book_id, v_door, v_legs, v_per_item);
    if cardinality(v_decision.refused) > 0 and not v_per_item then
        perform ledger_private.refuse_item(
            post_items.mode, v_decision.codes[1], v_decision.details[1], v_decision.refused[1]
        );
    end if;
    if not v_dry_run then
        perform ledger_private.write_lines(post_items.book_id, v_door, v_decision);
        if cardinality(v_decision.refused) > 0 then
            delete from ledger_private.transactions as t
            using unnest(v_decision.refused) as r (ordinal)
            where t.book_id = post_items.book_id and t.id = v_items[r.ordinal].id;
        end if;
    end if;
    v_results := array(
        select case
            when v_door.role = 'holder' then row(
                r.ordinal, ledger_private.mask_receipt(v_door, r.receipt), r.error_code,
                r.error_details
            )::ledger.posting_result
            else r
        end
        from ledger_private.item_results(
            post_items.book_id, v_items, v_decision, v_posted_at, v_dry_run
        ) as r
        order by r.ordinal
    );
    if exists (select from unnest(v_items) as i where i.id is null and i.code is null) then
        return query select r.* from ledger_private.replayed_results(
            post_items.book_id, v_door, v_items, v_results, v_dry_run
        ) as r;
    else
        return query select r.* from unnest(v_results) as r;
    end if;
end;
$$;

comment on function ledger_private.post_items is
$$Post a batch: the engine of post_transaction (mode single) and post_transactions (atomic,
per_item).$$;

revoke execute on function ledger_private.post_items
from public, anon, authenticated, service_role;
grant execute on function ledger_private.post_items to authenticated, service_role;

-- functions/ledger_private/post_legs.sql

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

-- functions/ledger_private/release_hold.sql

-- ledger_private.release_hold: the engine behind ledger.release_hold.
--
-- No lock of groups, and no new version of them: their sums only rise. A posting that has looked
-- before this commits has counted too little, which breaks no floor.

create or replace function ledger_private.release_hold(book_id uuid, hold_id uuid)
returns ledger.holds
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_hold ledger_private.holds;
    v_account_id uuid;
begin
    perform ledger_private.enter_book(release_hold.book_id, 'editor');
    select h.account_id into v_account_id
    from ledger_private.find_hold(release_hold.book_id, release_hold.hold_id) as h;

    perform ledger_private.lock_accounts(release_hold.book_id, array[v_account_id]);
    v_hold := ledger_private.lock_hold(release_hold.book_id, release_hold.hold_id);

    update ledger_private.holds as h
    set released = h.amount - h.captured, state = 'released'
    where h.book_id = release_hold.book_id and h.id = release_hold.hold_id;
    update ledger_private.balances as b
    set held = b.held - (v_hold.amount - v_hold.captured)
    where b.book_id = release_hold.book_id and b.account_id = v_account_id and b.slot = 0;
    return ledger_private.find_hold(release_hold.book_id, release_hold.hold_id);
end;
$$;

comment on function ledger_private.release_hold is
'Give back what is left of a hold: the engine of ledger.release_hold.';

revoke execute on function ledger_private.release_hold
from public, anon, authenticated, service_role;
grant execute on function ledger_private.release_hold to authenticated, service_role;

-- functions/ledger_private/remove_holder.sql

-- ledger_private.remove_holder: the engine behind ledger.remove_holder. Under the exclusive lock: a
-- posting of hers that has read her access must end first.
--
-- The membership is locked before the account's row goes, as in the cascade that deletes a user.

create or replace function ledger_private.remove_holder(
    book_id uuid,
    account_id uuid,
    user_id uuid
)
returns ledger.holders
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_holder ledger.holders;
begin
    perform ledger_private.enter_book(remove_holder.book_id, 'owner', exclusive => true);
    perform ledger_private.find_account(remove_holder.book_id, remove_holder.account_id);

    begin
        perform
        from ledger_private.book_members as m
        where m.book_id = remove_holder.book_id and m.user_id = remove_holder.user_id
        for update;

        delete from ledger_private.account_holders as h
        where
            h.book_id = remove_holder.book_id
            and h.account_id = remove_holder.account_id
            and h.user_id = remove_holder.user_id
        returning h.book_id, h.account_id, h.user_id, h.access, h.created_at into v_holder;

        if not found then
            perform ledger_private.raise_error('member_not_found', jsonb_build_object(
                'account_id', remove_holder.account_id, 'user_id', remove_holder.user_id
            ));
        end if;

        delete from ledger_private.book_members as m
        where
            m.book_id = remove_holder.book_id
            and m.user_id = remove_holder.user_id
            and not exists (
                select from ledger_private.account_holders as h
                where h.book_id = m.book_id and h.user_id = m.user_id
            );
    exception when lock_not_available then
        -- The user is being deleted.
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('user_id', remove_holder.user_id)
        );
    end;
    return v_holder;
end;
$$;

comment on function ledger_private.remove_holder is
$$Take an account away from a holder, and with the last one her membership: the engine of
ledger.remove_holder. Returns what she was.$$;

revoke execute on function ledger_private.remove_holder
from public, anon, authenticated, service_role;
grant execute on function ledger_private.remove_holder to authenticated, service_role;

-- functions/ledger_private/set_holder.sql

-- ledger_private.set_holder: the engine behind ledger.set_holder. Under the exclusive lock: a
-- posting that has read the old access must end first.
--
-- The membership comes before the account's row, as in the cascade that deletes a user.

create or replace function ledger_private.set_holder(
    book_id uuid,
    account_id uuid,
    user_id uuid,
    access text
)
returns ledger.holders
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_holder ledger.holders;
begin
    perform ledger_private.check_argument(
        'access', set_holder.access in ('view', 'spend'), 'view or spend'
    );
    perform ledger_private.enter_book(set_holder.book_id, 'owner', exclusive => true);
    perform ledger_private.find_account(set_holder.book_id, set_holder.account_id);

    begin
        insert into ledger_private.book_members (book_id, user_id, role)
        values (set_holder.book_id, set_holder.user_id, 'holder')
        on conflict on constraint book_members_pkey do nothing;

        perform ledger_private.check_argument(
            'user_id',
            exists (
                select from ledger_private.book_members as m
                where
                    m.book_id = set_holder.book_id
                    and m.user_id = set_holder.user_id
                    and m.role = 'holder'
            ),
            'not a member with another role: set_member to holder first'
        );

        insert into ledger_private.account_holders as h (book_id, account_id, user_id, access)
        values (
            set_holder.book_id, set_holder.account_id, set_holder.user_id, set_holder.access
        )
        on conflict on constraint account_holders_pkey do update set access = excluded.access
        returning h.book_id, h.account_id, h.user_id, h.access, h.created_at into v_holder;
    exception
        when foreign_key_violation or not_null_violation then
            perform ledger_private.raise_error(
                'user_not_found', jsonb_build_object('user_id', set_holder.user_id)
            );
        when lock_not_available then
            -- The user is being deleted.
            perform ledger_private.raise_error(
                'busy', jsonb_build_object('user_id', set_holder.user_id)
            );
    end;
    return v_holder;
end;
$$;

comment on function ledger_private.set_holder is
'Let a user see an account, or also spend from it: the engine of ledger.set_holder.';

revoke execute on function ledger_private.set_holder from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_holder to authenticated, service_role;

-- functions/ledger_private/unlock_period.sql

-- ledger_private.unlock_period: the engine behind ledger.unlock_period. Under the exclusive lock,
-- as every change of the rules.

create or replace function ledger_private.unlock_period(book_id uuid, from_date date, to_date date)
returns ledger.periods
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_period ledger.periods;
begin
    perform ledger_private.enter_book(unlock_period.book_id, 'owner', exclusive => true);

    delete from ledger_private.period_locks as p
    where
        p.book_id = unlock_period.book_id
        and p.from_date = unlock_period.from_date
        and p.to_date = unlock_period.to_date
    returning p.book_id, p.from_date, p.to_date, p.created_at into v_period;
    perform ledger_private.check_argument('from_date', found, 'a period of ledger.periods');

    update ledger_private.books as b
    set has_periods = false
    where
        b.id = unlock_period.book_id
        and not exists (
            select from ledger_private.period_locks as p where p.book_id = b.id
        );
    return v_period;
end;
$$;

comment on function ledger_private.unlock_period is
'Open a locked period again: the engine of ledger.unlock_period. Returns what it was.';

revoke execute on function ledger_private.unlock_period
from public, anon, authenticated, service_role;
grant execute on function ledger_private.unlock_period to authenticated, service_role;

-- functions/ledger_private/write_lines.sql

-- ledger_private.write_lines: write what decide has decided. Called by the engine only, under its
-- locks. One statement a table.

create or replace function ledger_private.write_lines(
    book_id uuid,
    door ledger_private.door,
    decision ledger_private.decision
)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
    insert into ledger_private.entries (
        book_id, account_id, transaction_id, version, amount, balance_after, booked_at, slot, leg,
        hash, dated, currency
    )
    select
        write_lines.book_id, l.account_id, l.transaction_id, l.version, l.amount, l.balance_after,
        (write_lines.decision).booked_at, l.slot, l.leg, l.hash, l.dated, l.currency
    from unnest((write_lines.decision).lines) as l;

    update ledger_private.balances as b
    set
        posted = r.posted,
        held = b.held + coalesce(r.held, 0),
        version = r.version,
        booked_at = (write_lines.decision).booked_at,
        hash = r.hash
    from unnest(
        (write_lines.decision).accounts, (write_lines.decision).slots,
        (write_lines.decision).posted, (write_lines.decision).held,
        (write_lines.decision).versions, (write_lines.decision).hashes
    ) as r (account_id, slot, posted, held, version, hash)
    where
        r.hash is not null
        and b.book_id = write_lines.book_id
        and b.account_id = r.account_id
        and b.slot = r.slot;

    if exists (select from unnest((write_lines.decision).lines) as l where l.dated is not null) then
        perform ledger_private.shift_value(write_lines.book_id, array(
            select distinct l.transaction_id from unnest((write_lines.decision).lines) as l
        ));
    end if;
    if (write_lines.door).has_groups then
        update ledger_private.account_groups as g
        set version = g.version + 1
        where
            g.book_id = write_lines.book_id
            and g.id = any(array(
                select m.group_id
                from unnest((write_lines.decision).lines) as l
                inner join ledger_private.account_group_members as m
                    on m.book_id = write_lines.book_id and m.account_id = l.account_id
            ));
    end if;
end;
$$;

comment on function ledger_private.write_lines is
'Write a decision: entries, balances, value shifts, group versions.';

revoke execute on function ledger_private.write_lines
from public, anon, authenticated, service_role;

-- sql/ledger/groups.sql

-- Account groups as callers see them; also what the group functions return.

create view ledger.groups with (security_invoker = true) as
select
    g.id,
    g.book_id,
    g.name,
    g.min_total::bigint as min_total,
    array(
        select m.account_id
        from ledger_private.account_group_members as m
        where m.book_id = g.book_id and m.group_id = g.id
        order by m.account_id
    ) as account_ids,
    g.version,
    g.created_at
from ledger_private.account_groups as g;

comment on view ledger.groups is 'Account groups of your books, with their joint floors.';

revoke all on table ledger.groups from public, anon, authenticated, service_role;
grant select on table ledger.groups to authenticated, service_role;

-- functions/ledger/lock_period.sql

-- ledger.lock_period: close a period.
--
-- Raises  book_not_found, forbidden, invalid_argument, book_archived, busy
-- Tests   tests/integration/ledger/test_lock_period.py

create or replace function ledger.lock_period(
    book_id uuid,
    from_date date,
    to_date date
)
returns ledger.periods
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.lock_period(
        lock_period.book_id, lock_period.from_date, lock_period.to_date
    );
$$;

comment on function ledger.lock_period is
$$Close a period: nothing more is booked with a value date inside.

from_date and to_date: both included. Periods may overlap; locking one again changes nothing. Owners
only.$$;

revoke execute on function ledger.lock_period from public, anon, authenticated, service_role;
grant execute on function ledger.lock_period to authenticated, service_role;

-- functions/ledger/remove_holder.sql

-- ledger.remove_holder: take an account away from a holder.
--
-- Raises  book_not_found, forbidden, account_not_found, member_not_found, book_archived, busy
-- Tests   tests/integration/ledger/test_remove_holder.py

create or replace function ledger.remove_holder(
    book_id uuid,
    account_id uuid,
    user_id uuid
)
returns ledger.holders
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.remove_holder(
        remove_holder.book_id, remove_holder.account_id, remove_holder.user_id
    );
$$;

comment on function ledger.remove_holder is
$$Take an account away from a holder and return what she was.

With the last account goes her membership. What she posted stays. Owners only.$$;

revoke execute on function ledger.remove_holder from public, anon, authenticated, service_role;
grant execute on function ledger.remove_holder to authenticated, service_role;

-- functions/ledger/set_holder.sql

-- ledger.set_holder: let a user see one account, or also spend from it.
--
-- Raises  book_not_found, forbidden, account_not_found, invalid_argument, user_not_found,
--         book_archived, busy
-- Tests   tests/integration/ledger/test_set_holder.py

create or replace function ledger.set_holder(
    book_id uuid,
    account_id uuid,
    user_id uuid,
    access text
)
returns ledger.holders
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.set_holder(
        set_holder.book_id, set_holder.account_id, set_holder.user_id, set_holder.access
    );
$$;

comment on function ledger.set_holder is
$$Let a user see one account of a book, or also spend from it.

access: view, or spend (also gives from it, to accounts that are payable or that she holds). A
stranger becomes a member with the role holder, who sees nothing else of the book; for a member with
another role it is refused. Repeating it changes the access. Owners only.$$;

revoke execute on function ledger.set_holder from public, anon, authenticated, service_role;
grant execute on function ledger.set_holder to authenticated, service_role;

-- functions/ledger/unlock_period.sql

-- ledger.unlock_period: open a locked period again.
--
-- Raises  book_not_found, forbidden, invalid_argument, book_archived, busy
-- Tests   tests/integration/ledger/test_unlock_period.py

create or replace function ledger.unlock_period(
    book_id uuid,
    from_date date,
    to_date date
)
returns ledger.periods
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.unlock_period(
        unlock_period.book_id, unlock_period.from_date, unlock_period.to_date
    );
$$;

comment on function ledger.unlock_period is
$$Open a locked period again and return what it was.

from_date and to_date: exactly those of ledger.periods. A day inside another locked period stays
closed. Owners only.$$;

revoke execute on function ledger.unlock_period from public, anon, authenticated, service_role;
grant execute on function ledger.unlock_period to authenticated, service_role;

-- functions/ledger_private/remove_account_group.sql

-- ledger_private.remove_account_group: the engine behind ledger.remove_account_group. Under the
-- exclusive lock: a posting that has found the group must end first.

create or replace function ledger_private.remove_account_group(book_id uuid, group_id uuid)
returns ledger.groups
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_group ledger.groups;
begin
    perform ledger_private.enter_book(remove_account_group.book_id, 'owner', exclusive => true);

    select g.* into v_group
    from ledger.groups as g
    where g.book_id = remove_account_group.book_id and g.id = remove_account_group.group_id;

    if not found then
        perform ledger_private.raise_error(
            'group_not_found', jsonb_build_object('group_id', remove_account_group.group_id)
        );
    end if;

    delete from ledger_private.account_groups as g
    where g.book_id = remove_account_group.book_id and g.id = remove_account_group.group_id;

    update ledger_private.books as b
    set has_groups = false
    where
        b.id = remove_account_group.book_id
        and not exists (
            select from ledger_private.account_groups as g where g.book_id = b.id
        );
    return v_group;
end;
$$;

comment on function ledger_private.remove_account_group is
'Take a joint floor away: the engine of ledger.remove_account_group. Returns what it was.';

revoke execute on function ledger_private.remove_account_group
from public, anon, authenticated, service_role;
grant execute on function ledger_private.remove_account_group to authenticated, service_role;

-- functions/ledger_private/set_account_group.sql

-- ledger_private.set_account_group: the engine behind ledger.set_account_group. Under the exclusive
-- lock: a posting that has found no group on its accounts must end first.
--
-- A floor that the sum already breaks is refused, so that "no group is below its floor" holds at
-- every moment. The balances are locked though nobody else can post: at repeatable read the
-- snapshot may be older than a posting, and the lock then aborts (40001).

create or replace function ledger_private.set_account_group(
    book_id uuid,
    name text,
    account_ids uuid[],
    min_total bigint,
    group_id uuid
)
returns ledger.groups
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_id uuid := coalesce(set_account_group.group_id, ledger_private.new_id());
    v_group ledger.groups;
    v record;
begin
    perform ledger_private.check_argument(
        'name', octet_length(set_account_group.name) between 1 and 255, '1 to 255 bytes'
    );
    perform ledger_private.check_argument(
        'account_ids',
        (
            select count(*) between 1 and 1000 and count(distinct s.id) = count(*)
            from unnest(set_account_group.account_ids) as s (id)
        ),
        '1 to 1000 accounts, each once'
    );
    perform ledger_private.check_argument(
        'min_total',
        set_account_group.min_total between -9007199254740991 and 9007199254740991,
        'within ±9007199254740991'
    );
    perform ledger_private.enter_book(set_account_group.book_id, 'owner', exclusive => true);

    select
        min(s.id::text) filter (where l.account_id is null) as missing,
        array_agg(distinct l.currency order by l.currency) as currencies,
        max(l.slots) as slots,
        sum(l.posted - l.held) as total
    into v
    from unnest(set_account_group.account_ids) as s (id)
    left join (
        select b.account_id, b.currency, b.slots, b.posted, b.held
        from ledger_private.balances as b
        where
            b.book_id = set_account_group.book_id
            and b.account_id = any(set_account_group.account_ids)
            and b.slot = 0
        order by b.account_id, b.slot
        for no key update
    ) as l on l.account_id = s.id;

    if v.missing is not null then
        perform ledger_private.raise_error(
            'account_not_found', jsonb_build_object('account_id', v.missing)
        );
    elsif cardinality(v.currencies) > 1 then
        perform ledger_private.raise_error(
            'currency_mismatch', jsonb_build_object('currencies', v.currencies)
        );
    end if;
    perform ledger_private.check_argument('account_ids', v.slots = 1, 'accounts with one slot');
    if v.total < set_account_group.min_total then
        perform ledger_private.raise_error('group_floor', jsonb_build_object(
            'group_id', v_id, 'available', v.total, 'required', set_account_group.min_total
        ));
    end if;

    insert into ledger_private.account_groups as g (book_id, id, name, min_total)
    values (
        set_account_group.book_id, v_id, set_account_group.name, set_account_group.min_total
    )
    on conflict on constraint account_groups_pkey
    do update set name = excluded.name, min_total = excluded.min_total;

    delete from ledger_private.account_group_members as m
    where
        m.book_id = set_account_group.book_id
        and m.group_id = v_id
        and m.account_id <> all(set_account_group.account_ids);

    insert into ledger_private.account_group_members (book_id, account_id, group_id)
    select set_account_group.book_id, s.id, v_id
    from unnest(set_account_group.account_ids) as s (id)
    on conflict on constraint account_group_members_pkey do nothing;

    update ledger_private.books as b
    set has_groups = true
    where b.id = set_account_group.book_id and not b.has_groups;

    select g.* into v_group
    from ledger.groups as g
    where g.book_id = set_account_group.book_id and g.id = v_id;
    return v_group;
end;
$$;

comment on function ledger_private.set_account_group is
$$Give accounts a joint floor: the engine of ledger.set_account_group. min_total in minor units.$$;

revoke execute on function ledger_private.set_account_group
from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_account_group to authenticated, service_role;

-- functions/ledger/remove_account_group.sql

-- ledger.remove_account_group: take a joint floor away.
--
-- Raises  book_not_found, forbidden, group_not_found, book_archived, busy
-- Tests   tests/integration/ledger/test_remove_account_group.py

create or replace function ledger.remove_account_group(
    book_id uuid,
    group_id uuid
)
returns ledger.groups
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.remove_account_group(
        remove_account_group.book_id, remove_account_group.group_id
    );
$$;

comment on function ledger.remove_account_group is
$$Take a joint floor away and return what it was.

The accounts stay as they are. Owners only.$$;

revoke execute on function ledger.remove_account_group
from public, anon, authenticated, service_role;
grant execute on function ledger.remove_account_group to authenticated, service_role;

-- functions/ledger/set_account_group.sql

-- ledger.set_account_group: give accounts a joint floor.
--
-- Raises  book_not_found, forbidden, invalid_argument, account_not_found, currency_mismatch,
--         group_floor, book_archived, busy
-- Tests   tests/integration/ledger/test_set_account_group.py

create or replace function ledger.set_account_group(
    book_id uuid,
    name text,
    account_ids uuid[],
    min_total bigint,
    group_id uuid default null
)
returns ledger.groups
language sql
volatile
security invoker
set search_path = pg_catalog, pg_temp
set default_transaction_isolation = 'read committed'
set lock_timeout = '3s'
as $$
    select ledger_private.set_account_group(
        set_account_group.book_id, set_account_group.name, set_account_group.account_ids,
        set_account_group.min_total, set_account_group.group_id
    );
$$;

comment on function ledger.set_account_group is
$$Give accounts a joint floor, or change one.

account_ids: 1 to 1000 accounts of one currency, with one slot each; an account may be in several
groups. min_total: what they have together, posted − held, stays at or above it, in minor units;
it may be negative. group_id: of the group to replace, or the caller's own for a new one, so that a
repeat changes nothing. Each account's own floor holds besides. Owners only.$$;

revoke execute on function ledger.set_account_group from public, anon, authenticated, service_role;
grant execute on function ledger.set_account_group to authenticated, service_role;

-- The columns that have moved: views and functions read the new ones by now.

alter table ledger_private.accounts
drop column min_balance,
drop column max_balance,
drop column slots,
drop column status;

comment on table ledger_private.accounts is
'Accounts: names, type, currency. State, limits and money stand in balances.';

-- Entries that were booked on another day than their value date, as postings sum them from now on.

insert into ledger_private.value_shifts (book_id, account_id, slot, grain, starts_on, amount)
select
    e.book_id,
    e.account_id,
    e.slot,
    g.grain,
    date_trunc(g.grain, s.day)::date,
    sum(s.amount)
from ledger_private.entries as e
cross join lateral (
    values
    (e.dated::timestamp, e.amount::numeric),
    (e.booked_at at time zone 'UTC', -e.amount::numeric)
) as s (day, amount)
cross join (values ('day'), ('month')) as g (grain)
where e.dated is not null
group by e.book_id, e.account_id, e.slot, g.grain, date_trunc(g.grain, s.day)::date;

-- Policies: holders.

alter policy books_of_members on ledger_private.books
using (id = any((select ledger_private.my_memberships())::uuid[]));
alter policy members_see_each_other on ledger_private.book_members
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or user_id = (select auth.uid())
);
alter policy accounts_of_members on ledger_private.accounts
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or (book_id, id) in (
        select
            h.book_id,
            h.account_id
        from ledger_private.my_accounts() as h
    )
);
alter policy balances_of_members on ledger_private.balances
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or (book_id, account_id) in (
        select
            h.book_id,
            h.account_id
        from ledger_private.my_accounts() as h
    )
);
alter policy entries_of_members on ledger_private.entries
using (
    book_id = any((select ledger_private.my_books())::uuid[])
    or (book_id, account_id) in (
        select
            h.book_id,
            h.account_id
        from ledger_private.my_accounts() as h
    )
);
alter policy transactions_of_members on ledger_private.transactions
using (
    book_id = any((select ledger_private.my_memberships())::uuid[])
    and (
        book_id = any((select ledger_private.my_books())::uuid[])
        or ledger_private.touches_my_accounts(book_id, id)
    )
);

notify pgrst, 'reload schema';
