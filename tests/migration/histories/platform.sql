-- What Supabase brings besides sql/platform, as far as these histories lean on it: storage,
-- extensions, the realtime publication. A superuser runs it before any migration.

create schema extensions;
grant usage, create on schema extensions to postgres;
grant usage on schema extensions to anon, authenticated, service_role;

create schema storage;
grant usage on schema storage to postgres, anon, authenticated, service_role;
create table storage.buckets (
    id text primary key,
    name text not null unique,
    public boolean not null default false,
    file_size_limit bigint,
    allowed_mime_types text[],
    created_at timestamptz not null default now()
);
create table storage.objects (
    id uuid primary key default gen_random_uuid(),
    bucket_id text references storage.buckets (id),
    name text,
    owner uuid,
    metadata jsonb,
    created_at timestamptz not null default now()
);
alter table storage.objects enable row level security;
create function storage.foldername(name text)
returns text[]
language sql
immutable
as $$ select (string_to_array(name, '/'))[1:array_length(string_to_array(name, '/'), 1) - 1] $$;
-- Supabase lets postgres write policies on a table of supabase_storage_admin; a bare server does not.
alter table storage.buckets owner to postgres;
alter table storage.objects owner to postgres;

create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;
