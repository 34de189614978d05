create table public.reports (
  comment_id bigint references public.comments on delete cascade,
  reporter uuid default auth.uid() references auth.users,
  reason text,
  primary key (comment_id, reporter)
);
alter table public.reports enable row level security;
create policy "report once" on public.reports for insert to authenticated
  with check (reporter = (select auth.uid()));
create policy "see own" on public.reports for select to authenticated
  using (reporter = (select auth.uid()));
create function public.hide_reported() returns trigger language plpgsql as $$
begin
  if (select count(*) from public.reports r where r.comment_id = new.comment_id) >= 3 then
    delete from public.comments c where c.id = new.comment_id;
  end if;
  return null;
end $$;
create constraint trigger hide_reported after insert on public.reports
  deferrable initially deferred for each row execute function public.hide_reported();;
