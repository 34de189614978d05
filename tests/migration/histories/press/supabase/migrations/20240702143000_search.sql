create or replace function public.article_search(q text, max_rows int default 20)
returns setof public.articles
language sql stable
begin atomic
  select a.*
  from public.articles a
  where a.title ilike '%' || q || '%'
     or q = any (a.tags)
  order by case when a.title ilike q then 0 else 1 end, a.id
  limit max_rows;
end;
comment on function public.article_search is 'Search titles; later full text.';

create view public.front_page with (security_invoker = on) as
  select id, title, public.excerpt(body) as excerpt from public.articles
  where published_at <= now();
grant select on public.front_page to anon, authenticated;
