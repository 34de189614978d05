alter table public.todos
  add column team_id uuid references public.teams (id) on delete cascade,
  add column due_on date,
  alter column task set not null;

create index todos_team_id_idx on public.todos using btree (team_id) where team_id is not null;

drop policy if exists "Individuals can view their own todos. " on public.todos;
create policy "Individuals can view their own todos and their team's." on public.todos
  for select using (auth.uid() = user_id or public.is_member_of(team_id));
