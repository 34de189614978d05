alter publication supabase_realtime add table public.todos, public.team_members;
alter table public.todos replica identity full;

comment on table public.todos is e'@graphql({"totalCount": {"enabled": true}})\nA list; for one or for a team.';
comment on column public.todos.task is 'It''s what is to do; free text.';
