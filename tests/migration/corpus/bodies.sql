do $$ <<a>> begin begin null; exception when others then raise; end;
for i in 1..2 loop null; end loop; end a $$; select 1;
create function public.quoted() returns text language plpgsql as 'begin return ''it''''s;''; end';
do 'begin perform 1; end'; do E'begin perform \';\'; end' language plpgsql;
create table public.r (id int);
create rule r as on insert to public.r do also (notify a; notify "b;"; select ');');
create rule s as on delete to public.r do also (select ';'; select E'\';');
select 1;
create schema els create table t (id int) create view v as select ';' as x
create index on t (id) grant select on t to public;
