-- What an amount counts: one minor unit of its currency. The exponent says how many of them make
-- 1.00, so it may never change while accounts use it. Rows come with the migrations
-- (sql/seed/currencies.sql); more may be added.

create table ledger_private.currencies (
    code text not null,
    exponent smallint not null,
    name text not null,
    constraint currencies_pkey primary key (code),
    -- ASCII, because the code is hashed into every entry.
    constraint currencies_code_is_ascii check (code ~ '^[A-Z0-9_]{2,16}$'),
    constraint currencies_exponent_range check (exponent between 0 and 8),
    constraint currencies_name_length check (octet_length(name) between 1 and 255)
);

alter table ledger_private.currencies enable row level security;
create policy currencies_are_public on ledger_private.currencies for select to authenticated
using (true);

revoke all on table ledger_private.currencies from public, anon, authenticated, service_role;
grant select on table ledger_private.currencies to authenticated, service_role;

comment on table ledger_private.currencies is
'Currencies by code, with the number of decimal places of an amount.';
