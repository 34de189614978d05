-- What the gateway's tests call: each shape of argument and result, each kind of failure.

create schema api;
create schema other;
create schema hidden;
grant usage on schema api, other, hidden to anon, authenticated, service_role;
comment on schema api is E'Test API\nAll shapes.';

create type api.item as (id bigint, name text);
create type api.pair as (item api.item, items api.item[], note jsonb);

create table hidden.people (id bigint primary key, name text, born date, score numeric, tags text[]);
insert into hidden.people values
    (1, 'Ada', '1815-12-10', 9.5, '{math,code}'),
    (2, 'Grace', '1906-12-09', 8, '{code,navy}'),
    (3, 'Edsger', '1930-05-11', null, '{}'),
    (4, 'Barbara, L.', '1939-11-07', 7.25, null),
    (9007199254740993, 'Big', null, 0.1, '{"a b"}');
create view api.people with (security_invoker = false) as select * from hidden.people;
comment on view api.people is E'People.\nSome of them.';
create view api.secrets as select 1 as id;
grant select on api.people to anon, authenticated;
grant select on api.secrets to service_role;
create table api.log (id bigint generated always as identity, said text);
grant select, insert, update, delete on api.log to anon, authenticated;
create view other.things as select 'thing' as name;
grant select on other.things to anon, authenticated;
create sequence hidden.executions;
grant usage on sequence hidden.executions to anon, authenticated;

create function api.add(a bigint, b bigint default 10) returns bigint
language sql immutable as $$ select a + b $$;
comment on function api.add is E'Add two numbers.\n\nThe second is 10 by default.';
create function api.echo_json(value jsonb) returns jsonb language sql as $$ select value $$;
create function api.echo_text(value text) returns text language sql stable as $$ select value $$;
create function api.echo_id(id uuid) returns uuid language sql stable as $$ select id $$;
create function api.echo_ids(ids uuid[]) returns uuid[] language sql stable as $$ select ids $$;
create function api.echo_item(item api.item) returns api.item
language sql as $$ select item $$;
create function api.echo_items(items api.item[]) returns setof api.item
language sql as $$ select i.* from unnest(items) as i $$;
create function api.nest(item api.item) returns api.pair
language sql as $$ select item, array[item, item], '{"n": 9007199254740993}'::jsonb $$;
create type public.item as (other text);  -- not api.item
create function api.echo_public(item public.item) returns public.item
language sql as $$ select item $$;
create function api.on_write() returns trigger language plpgsql as $$ begin return null; end $$;
create function api.nothing() returns void language sql as $$ select $$;
create function api.numbers(n integer) returns setof bigint
language sql as $$ select generate_series(1, n) $$;
create function api.table_of(n integer) returns table (id bigint, twice bigint)
language sql stable as $$ select g, 2 * g from generate_series(1, n) as g $$;
create function api.one_out(out answer integer) language sql as $$ select 42 $$;
create function api.body(json) returns json language sql as $$ select $1 $$;
create function api.joined(variadic words text[]) returns text
language sql stable as $$ select array_to_string(words, ' ') $$;
create function api.overloaded(a integer) returns text language sql as $$ select 'int' $$;
create function api.overloaded(a text) returns text language sql as $$ select 'text' $$;
create function api.overloaded(a integer, b integer) returns text
language sql as $$ select 'two' $$;
create function api.named_people() returns setof hidden.people
language sql stable security definer as $$ select * from hidden.people $$;

create type api.state as (
    isolation text, read_only text, role text, claims json, method text, path text,
    headers json, cookies json, search_path text, statement_timeout text, lock_timeout text,
    before text
);
create function api.read_state() returns api.state language sql stable as $$
    select current_setting('transaction_isolation'), current_setting('transaction_read_only'),
        current_setting('role'), current_setting('request.jwt.claims')::json,
        current_setting('request.method'), current_setting('request.path'),
        current_setting('request.headers')::json, current_setting('request.cookies')::json,
        current_setting('search_path'), current_setting('statement_timeout'),
        current_setting('lock_timeout'), current_setting('test.before', true)
$$;
create function api.state() returns api.state language sql volatile
as $$ select api.read_state() $$;
create function api.state_serializable() returns api.state language sql volatile
set default_transaction_isolation = 'serializable'
set statement_timeout = '1234ms' set lock_timeout = '77ms'
as $$ select api.read_state() $$;
create function api.state_repeatable() returns api.state language sql stable
set default_transaction_isolation = 'repeatable read' as $$ select api.read_state() $$;
-- Runs after the settings and the role, before the call: it records what it sees.
create function hidden.before() returns void language plpgsql as $$
begin
    if current_setting('request.headers')::json ->> 'x-refuse' is not null then
        raise sqlstate 'PT418' using message = 'refused';
    end if;
    perform set_config('test.before', current_setting('role') || ' '
        || current_setting('request.path') || ' ' || current_setting('statement_timeout'), true);
end $$;

create function api.write(said text) returns void language sql
as $$ insert into api.log (said) values (write.said) $$;
create function api.write_stable(said text) returns void language plpgsql stable
as $$ begin perform api.write(said); end $$;
create function api.write_many(said text) returns setof api.log language sql
as $$ insert into api.log (said) values (said), (said) returning * $$;
create function api.read_log() returns bigint language sql stable as $$ select count(*) from api.log $$;
create function api.fail(code text, message text default 'failed', detail text default '')
returns void language plpgsql as $$
begin
    perform nextval('hidden.executions');
    raise exception using errcode = code, message = message, detail = detail, hint = 'a hint';
end $$;
create function api.fail_times(code text, times bigint) returns bigint language plpgsql as $$
declare
    v_execution bigint := nextval('hidden.executions');
begin
    if v_execution <= times then
        raise exception using errcode = code, message = 'again';
    end if;
    return v_execution;
end $$;
create function hidden.check_at_commit() returns trigger language plpgsql as $$
begin
    raise exception using errcode = new.said, message = 'at commit';
end $$;
create table api.deferred (said text);
grant insert on api.deferred to anon;
create constraint trigger deferred after insert on api.deferred deferrable initially deferred
for each row execute function hidden.check_at_commit();
create function api.fail_at_commit(code text) returns text language sql
as $$ insert into api.deferred values (code) returning 'looks fine' $$;
-- Postgres inlines it into a plan, and checks EXECUTE only then.
create function api.no_access() returns integer language sql stable as $$ select 1 $$;
revoke execute on function api.no_access from public;
grant execute on function api.no_access to service_role;
create function api.sleep(seconds float8) returns void language sql as $$ select pg_sleep(seconds) $$;
create function api.pid() returns integer language sql as $$ select pg_backend_pid() $$;
create function api.answer(status text, headers text) returns text language plpgsql as $$
begin
    perform set_config('response.status', status, true);
    perform set_config('response.headers', headers, true);
    return 'answered';
end $$;
