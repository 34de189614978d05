create table fleet.audit (
    id bigint generated always as identity, actor text not null default current_user,
    at timestamptz not null default now(), what text, was jsonb, is_now jsonb
);
create function fleet.audit() returns trigger language plpgsql security definer
set search_path = pg_catalog as $audit$
begin
    insert into fleet.audit (what, was, is_now)
    values (tg_op || ';' || tg_table_name, to_jsonb(old), to_jsonb(new));
    return coalesce(new, old);
end
$audit$;
create trigger audit after insert or update or delete on fleet.vehicles
    for each row execute function fleet.audit();
alter table fleet.audit enable row level security;
revoke all on fleet.audit from public, anon, authenticated;
update fleet.vehicles set km = km + 1 where id like 'van%';
