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
