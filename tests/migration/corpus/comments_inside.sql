select 1 not -- why;
 in (1), 2 not /* so; */ between 1 and 3 order by 1 nulls -- here;
 last;
create table public.zoned (
  a timestamp with /* a; */ time zone,
  b timestamp without -- b;
    time zone, -- c;
  c text check (c not /* d; */ -- e;
    like ';%')
);
create index on public.zoned (a desc nulls /* f; */ first); select/* g; */1/* h; */
;
