-- Each way in which a role comes to a right, or does not. The tests know that n is 0 to 3 in every
-- table, and that a policy lets the rows below 2 through.

create schema app;
create schema hidden;
grant usage on schema app to anon, authenticated, service_role, staff;
grant create on schema app to staff;
revoke all on schema public from public;

create function app.ready(name text) returns void language plpgsql as $$
begin
    execute format('create table %s (id int default 10, n int default 0, note text)', name);
    execute format('grant all on %s to authenticated, service_role', name);
    execute format('insert into %s (id, n) values (0, 0), (1, 1), (2, 2), (3, 3)', name);
end $$;
revoke execute on function app.ready from public;

select app.ready(name) from unnest(array[
    'app.plain', 'app.shut', 'app.everyone', 'app.some', 'app.verbs', 'app.never', 'app.restricted',
    'app.held_back', 'app.for_anon', 'app.for_staff', 'app.owned', 'app.forced', 'app.unusable',
    'hidden.secret', 'hidden.guarded'
]) as name;
create table app.columns (id int default 10, n int default 0, note text);
insert into app.columns values (0, 0), (1, 1), (2, 2), (3, 3);
create table app.shared (like app.columns including defaults);
insert into app.shared values (0, 0), (1, 1), (2, 2), (3, 3);
create table app.whole (like app.columns including defaults) partition by range (n);
create table app.part partition of app.whole for values from (0) to (9);
insert into app.whole values (0, 0), (1, 1), (2, 2), (3, 3);

grant select on app.plain to anon;
grant select on app.shared to public;
grant select (id, n), insert (n), update (note) on app.columns to authenticated;
grant delete on app.columns to anon;
grant select, update on app.shared to staff;
grant select, insert on app.whole to authenticated;
alter table app.shut enable row level security;
alter table app.everyone enable row level security;
create policy every on app.everyone using (true);
alter table app.some enable row level security;
create policy low on app.some to authenticated using (n < 2);
alter table app.verbs enable row level security;
create policy seen on app.verbs for select using (true);
create policy added on app.verbs for insert with check (n < 2);
create policy low on app.verbs for delete using (n < 2);
create policy changed on app.verbs for update using (n < 2) with check (true);
alter table app.never enable row level security;
create policy never on app.never using (false);
alter table app.restricted enable row level security;
create policy every on app.restricted using (true);
create policy not_gone on app.restricted as restrictive for delete using (false);
alter table app.held_back enable row level security;
create policy every on app.held_back using (true) with check (true);
create policy low on app.held_back as restrictive using (n < 2) with check (n < 2);
alter table app.for_anon enable row level security;
create policy anon on app.for_anon to anon using (true);
alter table app.for_staff enable row level security;
grant select on app.for_staff to staff;
create policy staff on app.for_staff to staff using (true);
alter table app.owned owner to staff;
alter table app.owned enable row level security;
alter table app.forced owner to staff;
alter table app.forced enable row level security;
alter table app.forced force row level security;
create function app.refused(n int) returns boolean language sql stable as 'select n < 2';
revoke execute on function app.refused from public;
alter table app.unusable enable row level security;
create policy refused on app.unusable using (app.refused(n));
alter table app.whole enable row level security;
create policy low on app.whole using (n < 2);
alter table hidden.guarded enable row level security;
create policy low on hidden.guarded using (n < 2);

create view app.opened as select s.id, s.n, s.note from hidden.secret as s;
create view app.opened_guarded as select g.id, g.n, g.note from hidden.guarded as g;
create view app.as_caller with (security_invoker = on) as
    select g.id, g.n, g.note from hidden.guarded as g;
create view app.caller_within as select * from app.as_caller;
create view app.owner_within with (security_invoker = on) as select * from app.opened;
create view app.not_for_anon with (security_invoker = on) as select * from app.plain;
create view app.two as
    select a.id, a.n, b.note from app.plain as a join app.everyone as b using (id);
create view app.where_others with (security_invoker = on) as
    select * from app.some as s where s.id in (select e.id from app.everyone as e);
create view app.where_seen with (security_invoker = on) as
    select * from app.plain as p where p.id in (select v.id from app.verbs as v);
create view app.where_some with (security_invoker = on) as
    select * from app.plain as p where p.id in (select s.id from app.some as s);
create view app.by_function with (security_invoker = on) as
    select p.id, p.n, p.note from app.plain as p where app.refused(p.n) or p.n >= 2;
create view app.expression as select s.id, s.n, upper(s.note) as note from hidden.secret as s;
create view app.expression_as_caller with (security_invoker = on) as
    select p.id, p.n, upper(p.note) as note from app.plain as p;
create view app.instead as select s.id, s.n, s.note from hidden.secret as s, hidden.guarded as g
    where s.id = g.id;
create function hidden.instead() returns trigger language plpgsql as 'begin return new; end';
create trigger instead instead of insert or update on app.instead
    for each row execute function hidden.instead();
create materialized view app.kept as select s.id, s.n, s.note from hidden.guarded as s;
grant select on app.kept to anon;
grant all on app.opened, app.opened_guarded, app.as_caller, app.caller_within, app.owner_within,
    app.two, app.where_others, app.where_seen, app.where_some, app.by_function, app.expression, app.instead
    to authenticated, service_role;
grant all on app.not_for_anon, app.expression_as_caller to anon;

create sequence app.numbers;
create sequence app.counted;
create sequence hidden.numbers;
grant usage on sequence app.numbers to anon;
grant select, update on sequence app.counted to anon;
grant usage on sequence hidden.numbers to anon;

create function app.free() returns int language sql as 'select 1';
create function app.kept_from_anon() returns int language sql as 'select 1';
revoke execute on function app.kept_from_anon from public;
grant execute on function app.kept_from_anon to authenticated;
create function hidden.unreachable() returns int language sql as 'select 1';
create function app.as_owner() returns bigint language sql security definer
    as 'select count(*) from hidden.secret';
create function app.as_owner_pinned() returns bigint language sql security definer
    set search_path = '' as 'select count(*) from hidden.secret';
create function app.on_change() returns trigger language plpgsql as 'begin return new; end';
create procedure app.done() language sql as 'select 1';
