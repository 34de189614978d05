-- Tags of every kind; what looks like a tag and is none.
select $$;$$, $a$;$$;$a$, $_$;$_$, $A1_$;$a1_$;$A1_$, $$$$, $$''"--/*$$;
select $é$;$é$, $日本$;$日$;$日本$, $é1$ ; $e$ ; $é1$, $$;$;$$, $a$;$a;$A$;$$;$a$;
do $a$ begin execute $b$do $c$ begin perform ';'; end $c$;$b$; end $a$;
create table public.a$b$ (c$$ int, d$x$ int, "e$$;" int); select 1;
do language plpgsql $py$
declare v_1$ int = 1;
begin
-- no; python
perform v_1$;
end$py$;
comment on table public.a$b$ is $one$$two$;$three$;$$;$one$;
select 1
