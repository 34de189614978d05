-- Repeatable: this block is copied into a new file whenever a function changes.
create or replace function clinic.next_visit(patient bigint)
returns timestamptz language sql stable security invoker set search_path to '' as $$
  select min(v.starts_at) from clinic.visits v
  where v.patient_id = $1 and v.state in ('booked', 'arrived') and v.starts_at > now();
$$;
create or replace function clinic.minutes_between(a timestamptz, b timestamptz default now())
returns int language sql stable return extract(epoch from b - a)::int / 60;
create or replace function clinic.close_visit(visit uuid) returns clinic.visits
language sql
begin atomic
  update clinic.visits
  set state = case when state = 'closed' then state else 'closed' end
  where id = visit
  returning *;
end;
