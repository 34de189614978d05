-- Written on Windows: a byte order mark, and lines that end in CR LF.
create table public.comments (
  id bigint generated always as identity primary key,
  article_id bigint not null references public.articles on delete cascade,
  body text not null, -- free; unmoderated
  parent_id bigint references public.comments
);

create function public.excerpt(body text) returns text language sql immutable as $$
  select left(body, 40) || case when length(body) > 40 then '…' else '' end;
$$;
alter table public.comments enable row level security;
