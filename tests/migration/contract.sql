-- What the tests of `contract` change: each kind of thing that clients of PostgREST rely on.

create schema api;
create schema hidden;
grant usage on schema api to anon, authenticated;

create type api.mood as enum ('good', 'bad');
create type api.item as (id bigint, name text, mood api.mood);
create domain api.small as integer check (value < 10);
create table api.kinds (code text primary key, name text);
create table api.notes (
    id bigint generated always as identity primary key,
    kind text references api.kinds (code),
    body text not null default '',
    author text not null,
    stars integer
);
alter table api.notes enable row level security;
create policy every on api.notes using (true);
grant select, insert, update on api.notes to authenticated;
grant select (id, body) on api.notes to anon;
create table hidden.people (id bigint primary key, name text);
create table hidden.pets (id bigint primary key, owner bigint references hidden.people (id));
create view api.people with (security_invoker = on) as select p.id, p.name from hidden.people as p;
create view api.pets with (security_invoker = on) as
    select t.id as number, t.owner as owner_id, upper('x') as constant from hidden.pets as t;
create view api.pets_again with (security_invoker = on) as
    select p.owner_id as person, p.number from api.pets as p;
create table api.parted (n integer primary key, kind text references api.kinds (code))
    partition by range (n);
create table api.part partition of api.parted for values from (0) to (9);
grant select on hidden.people, hidden.pets, api.people, api.pets, api.kinds to authenticated;

create function api.add(a integer, b integer default 1, c integer default 2, d text default 'x')
returns integer language sql stable as 'select a + b + c';
create function api.say(words text) returns text language sql stable as 'select words';
create function api.items(mood api.mood, low api.small default 1) returns setof api.item
language sql stable set statement_timeout = '1s' as 'select 1, null::text, mood';
create function api.rows_of(word text) returns table (id bigint, word_found text)
language sql stable as 'select 1, word';
create function api.put(item api.item) returns void language sql volatile
set default_transaction_isolation = 'read committed' as 'select';
create function api.joined(variadic words text[]) returns text language sql immutable
as $$ select array_to_string(words, ' ') $$;
create function api.person() returns api.people language sql stable
as 'select * from api.people';
create function api.raw(json) returns json language sql stable as 'select $1';
create function api.pinned() returns integer language sql security definer set search_path = ''
as 'select 1';
create function api.two(a integer) returns integer language sql as 'select 1';
create function api.two(b text) returns integer language sql as 'select 1';
revoke execute on all functions in schema api from public;
grant execute on all functions in schema api to authenticated;
grant execute on function api.add to anon;
create function api.on_change() returns trigger language plpgsql as 'begin return new; end';
create function api.uncallable(integer, integer) returns integer language sql as 'select 1';
