-- Only where pg_cron is there: not on a bare database.
do $outer$
begin
  if exists (select 1 from pg_available_extensions where name = 'pg_cron') then
    create extension if not exists pg_cron with schema pg_catalog;
    perform cron.schedule('nightly; counts', '0 2 * * *', $job$
      delete from public.views_by_day where day < current_date - 400;
    $job$);
  end if;
exception when insufficient_privilege then
  raise notice 'pg_cron is for others to make';
end
$outer$ language plpgsql;

/* The old job; kept for reference:
   select cron.unschedule('hourly'); /* nested; twice */
*/
