create table fleet.telemetry (
    vehicle_id text not null,
    at timestamptz not null default clock_timestamp(),
    payload jsonb not null,
    speed int generated always as ((payload ->> 'speed')::int) stored
) partition by list (vehicle_id);

do $$
declare
    v text;
begin
    foreach v in array array['van-1', 'van-2', 'odd;name'] loop
        insert into fleet.vehicles (id, model) values (v, 'Model ' || upper(v));
        execute format(
            'create table fleet.%I partition of fleet.telemetry for values in (%L);',
            'telemetry_' || v, v
        );
    end loop;
end
$$;
create index telemetry_at on fleet.telemetry using brin (at);
create statistics fleet.telemetry_stats (dependencies) on vehicle_id, speed from fleet.telemetry;
