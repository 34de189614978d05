-- Every error that the ledger raises: one place for its status, whether a repeat may help, and its
-- words. Rows come with the migrations (sql/seed/error_catalogue.sql); the client has one exception
-- class for each.

create table ledger_private.error_catalogue (
    code text not null,
    http_status smallint not null,
    retryable boolean not null,
    message text not null,
    hint text not null,
    constraint error_catalogue_pkey primary key (code),
    constraint error_catalogue_code_format check (code ~ '^[a-z]+(_[a-z]+)*$'),
    constraint error_catalogue_status_range check (http_status between 400 and 599)
);

alter table ledger_private.error_catalogue enable row level security;

revoke all on table ledger_private.error_catalogue from public, anon, authenticated, service_role;

comment on table ledger_private.error_catalogue is
'Codes that functions raise, with HTTP status, message and hint.';
