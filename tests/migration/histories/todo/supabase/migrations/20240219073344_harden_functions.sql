-- The advisor's lint 0011: a function without a search_path of its own.
create or replace function public.handle_new_user() returns trigger
language plpgsql security definer set search_path = ''
as $function$
begin
  insert into public.profiles (id, full_name, avatar_url)
  values (
    new.id,
    coalesce(new.raw_user_meta_data ->> 'full_name', 'no; name'),
    new.raw_user_meta_data ->> 'avatar_url'
  )
  on conflict (id) do nothing;
  return new;
end;
$function$;
revoke execute on function public.handle_new_user() from public, anon, authenticated;

do $$
declare r record;
begin
  for r in select policyname from pg_policies where tablename = 'todos' and cmd = 'DELETE' loop
    execute format('alter policy %I on public.todos to authenticated', r.policyname);
  end loop;
end $$;
