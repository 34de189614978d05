BEGIN;

create table if not exists public.teams (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  slug text not null,
  created_by uuid references public.profiles (id) on delete set null
);
create unique index if not exists teams_slug_key on public.teams (lower(slug));

create table if not exists public.team_members (
  team_id uuid not null references public.teams (id) on delete cascade,
  user_id uuid not null references public.profiles (id) on delete cascade,
  role text not null default 'member' check (role in ('owner', 'admin', 'member')),
  primary key (team_id, user_id)
);

-- Policies that ask team_members about team_members would recurse: hence a definer function.
create or replace function public.is_member_of(_team_id uuid)
returns boolean language sql security definer stable set search_path = public
as $$
  select exists (
    select 1 from team_members tm where tm.team_id = _team_id and tm.user_id = auth.uid()
  );
$$;

alter table public.teams enable row level security;
alter table public.team_members enable row level security;
create policy "members read" on public.teams for select to authenticated
  using (public.is_member_of(id));
create policy "members read" on public.team_members for select to authenticated
  using (public.is_member_of(team_id));

COMMIT;
