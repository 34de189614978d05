alter table public.todos add column archived_at timestamptz;

update public.todos
set state = 'archived', archived_at = now()
where state = 'done' and inserted_at < now() - interval '1 year';

alter table public.todos add constraint archived_when_archived
  check ((state = 'archived') = (archived_at is not null));

/* select cron.schedule('archive', '0 3 * * *', $$
     update public.todos set state = 'archived' where state = 'done';
   $$); -- set by hand in the dashboard; see the wiki
*/
