create function public.g(x int) returns text language sql
BEGIN
	ATOMIC
  select 1; -- end;
  /* end; */ select case when x = 1 then 'end;' else $$end;$$ end;
  select case x when 1 then case when true then '1' end else (select 'end') end;
  -- END
END;
create function public.h() returns int language sql begin atomic
  select 1 as "end"; select 2 as endpoint; select t.atomic from (select 3 as atomic) t;
  select (select max(x) from (values (1), ((2))) as v (x));/*;*/end;create procedure public.p()
language sql Begin Atomic End; select 2;
create table public.atomic (begin int, atomic int);
select begin, atomic, public.atomic.begin from public.atomic;
select 1 as "begin atomic"; select 'begin atomic';
create procedure public.q() begin atomic insert into public.atomic values (1, 2); end
