create table public.authors (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  "order" int,
  "e-mail; private" text
);
create table public.articles (
  id bigserial primary key,
  author_id uuid references public.authors,
  slug text not null check (slug ~ '^[a-z0-9-]+$'),
  title text not null,
  body text not null default '',
  tags text[] not null default array[]::text[],
  published_at timestamptz
);
alter table public.articles enable row level security;
alter table public.authors enable row level security;
create policy "read; published" on public.articles for select
  using (published_at is not null and published_at <= now());
