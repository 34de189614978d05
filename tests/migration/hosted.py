"""A stand-in for a hosted platform, migrations that lean on it, and what is done by hand there."""

from __future__ import annotations

__all__ = ["BY_HAND", "FIRST", "HOSTED", "PLATFORM", "SECOND"]

# What the migrations lean on, beyond sql/platform: the stand-in of a stand-in.
PLATFORM = """
create schema if not exists storage;
create table if not exists storage.objects (id uuid primary key, name text);
alter table storage.objects enable row level security;
alter table storage.objects owner to postgres;
grant usage on schema storage to postgres with grant option;
set role postgres;
grant usage on schema storage to anon;
reset role;
do $$ begin
    if not exists (select from pg_publication where pubname = 'supabase_realtime') then
        create publication supabase_realtime;
        alter publication supabase_realtime owner to postgres;
    end if;
end $$;
"""
# What a hosted database has on top of it.
HOSTED = """
alter table storage.objects add column owner_id text;
create index objects_name on storage.objects (name);
grant usage on schema storage, auth to supabase_auth_admin, service_role;
create function storage.touch() returns trigger language plpgsql as 'begin return new; end';
create trigger touched before update on storage.objects
    for each row execute function storage.touch();
create table storage.buckets (id text);
create schema realtime;
create table realtime.messages (id int);
create schema novel authorization supabase_auth_admin;
create table novel.things (id int);
create schema extensions;
create extension pg_trgm schema extensions;
grant execute on function extensions.show_limit to anon;
create function extensions.watch() returns event_trigger language plpgsql as 'begin end';
create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.watch();
create foreign data wrapper hosted_wrapper;
create server hosted_server foreign data wrapper hosted_wrapper;
create user mapping for postgres server hosted_server options (password 'x');
create publication supabase_realtime_messages_publication for table realtime.messages;
alter publication supabase_realtime_messages_publication owner to postgres;
alter schema extensions owner to postgres;
do $$ begin
    execute format('alter database %I set app.settings.jwt_secret = %L', current_database(), 'x');
end $$;
alter default privileges for role supabase_admin in schema public grant all on tables to anon;
alter table auth.users add column more text;
create type auth.level as enum ('one');
comment on table auth.users is 'Users';
"""
FIRST = """
create schema app;
create type app.mood as enum ('good', 'bad');
create domain app.small as int not null check (value < 10);
create table app.kinds (code text primary key, name text not null);
create table app.t (
    id bigint generated always as identity primary key,
    kind text references app.kinds (code) deferrable,
    n int not null default 1 constraint n_above_zero check (n > 0 and n between 0 and 9),
    mood app.mood not null default 'good',
    noted timestamptz not null default now(),
    label text generated always as (coalesce(kind, '') || 'x') stored
);
create index t_kind on app.t (lower(kind), n desc) where n > 1;
create table app.parted (id int not null, at date not null) partition by range (at);
create table app.part partition of app.parted for values from ('2026-01-01') to ('2027-01-01');
create table app.child (more int) inherits (app.kinds);
create statistics app.stats on n, kind from app.t;
create view app.v as
    select id, n, case when n = 1 then 'one' end as word from app.t where n in (1, 2);
create view app.w with (security_invoker = on) as
    select t.*, k.name, (select count(*) from app.t as u where u.kind = k.code) as many
    from app.t join app.kinds as k on k.code = t.kind;
create materialized view app.m as select kind, sum(n) as total from app.t group by kind;
create rule quiet as on delete to app.child do instead
    update app.t set n = 2 where kind = old.code;
alter table app.t enable row level security;
create policy own on app.t for select to authenticated
    using (exists (select from app.kinds where code = kind) and n = any (array[1, 2]));
create function app.f() returns trigger language plpgsql security definer set search_path = ''
as $$
begin
    return new;
end
$$;
create function app.g(a int, b text default 'x') returns setof app.t language sql stable
begin atomic
    select * from app.t where n = a;
end;
create function app.h(a int) returns int language sql as 'select a';
create trigger checked before insert or update of n on app.t
    for each row when (new.n > 1) execute function app.f();
grant usage on schema app to anon, authenticated;
grant all on all tables in schema app to authenticated;
grant select (id, n) on app.t to anon;
alter default privileges in schema app grant all on tables to authenticated;
comment on table app.t is 'Things';
comment on column app.t.n is 'How many';
"""
SECOND = """
create trigger signed_up after insert on auth.users for each row execute function app.f();
create policy theirs on storage.objects for select to anon using (name is not null);
alter publication supabase_realtime add table app.t;
grant usage on schema storage to authenticated;
revoke usage on schema storage from anon;
revoke execute on function app.h from public;
create schema etl;
alter default privileges revoke execute on functions from public;
"""

# By hand, in a database with all of the above; each with what must be told of it, exactly.
BY_HAND: dict[str, tuple[str, set[tuple[str, str, str]]]] = {
    "added": (
        "create table app.added (); revoke all on app.added from authenticated",
        {
            ("only live", "relation", "app.added"),
            ("only live", "grants on relation", "app.added"),
        },
    ),
    "added to public": (
        "create function public.added() returns int language sql as 'select 1'",
        {
            ("only live", "function", "public.added()"),
            ("only live", "grants on function", "public.added()"),
        },
    ),
    "changed": (
        "alter table app.t alter n set default 2",
        {("different", "column", "app.t.n")},
    ),
    "dropped": (
        "drop index app.t_kind",
        {("only in migrations", "index", "app.t t_kind")},
    ),
    "a grant widened": (
        "grant select on app.kinds to anon",
        {("different", "grants on relation", "app.kinds")},
    ),
    "a policy changed": (
        "alter policy own on app.t using (true)",
        {("different", "policy", "app.t own")},
    ),
    "row security": (
        "alter table app.t disable row level security",
        {("different", "relation", "app.t")},
    ),
    "a body": (
        "create or replace function app.h(a int) returns int language sql as 'select -a'",
        {("different", "function", "app.h(a integer)")},
    ),
    "a view": (
        "create or replace view app.v as select id, n, 'two' as word from app.t",
        {("different", "relation", "app.v")},
    ),
    "the migrations' trigger on the platform's table": (
        "drop trigger signed_up on auth.users",
        {("only in migrations", "trigger", "auth.users signed_up")},
    ),
    "a trigger more there": (
        "create trigger more after insert on auth.users for each row execute function app.f()",
        {("only live", "trigger", "auth.users more")},
    ),
    "a policy more in the storage": (
        "create policy more on storage.objects using (true)",
        {("only live", "policy", "storage.objects more")},
    ),
    "what the migrations granted in the platform's schema": (
        "set role postgres; revoke usage on schema storage from authenticated",
        {("different", "grants on schema", "storage")},
    ),
    "what they took away there": (
        "grant usage on schema storage to anon",
        {("different", "grants on schema", "storage")},
    ),
    "realtime": (
        "alter publication supabase_realtime add table only app.kinds",
        {("only live", "publication table", "supabase_realtime app.kinds")},
    ),
    "a schema": (
        "create schema more authorization postgres",
        {("only live", "schema", "more"), ("only live", "grants on schema", "more")},
    ),
    "in a schema that only by its name is the platform's": (
        "create table etl.added ()",
        {
            ("only live", "relation", "etl.added"),
            ("only live", "grants on relation", "etl.added"),
        },
    ),
    "an extension": (
        "set role postgres; create extension citext schema app",
        {
            ("only live", "extension", "citext"),
            ("only live", "comment", "extension citext"),
        },
    ),
    "a default privilege": (
        "alter default privileges for role postgres in schema public grant all on tables to anon",
        {("only live", "default privileges", "postgres r in public")},
    ),
    "an event trigger": (
        "create function app.e() returns event_trigger language plpgsql as 'begin end';"
        "create event trigger more on ddl_command_end execute function app.e();"
        "create role tillroll_other superuser; alter event trigger more owner to tillroll_other",
        {
            ("only live", "event trigger", "more"),
            ("only live", "function", "app.e()"),
            ("only live", "grants on function", "app.e()"),
        },
    ),
    "a comment": (
        "comment on column app.t.n is null",
        {("only in migrations", "comment", "table column app.t.n")},
    ),
}
