create function public.sum3(int, int, int) returns int language sql
as $$ select $1+$2 + $3; $$;
create function public.twice(int) returns int language sql return $1*2;
create function public.joined(text, text) returns text language sql
begin atomic select $1||';'||$2; end;
create function public.first(int) returns int language sql as $$select $1$$;
create function public.second(int,int) returns int language sql as $_$select $2;$_$;
prepare p (text) as select $1::text, $q$ $1;$q$, $1||';';
deallocate p;
