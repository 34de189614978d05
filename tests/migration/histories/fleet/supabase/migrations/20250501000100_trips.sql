create table fleet.trips (
    id bigint primary key default nextval('fleet.trip_number'),
    vehicle_id text not null references fleet.vehicles on update cascade,
    driver uuid references auth.users (id) on delete set null,
    span tstzrange not null,
    route fleet.position[] not null default '{}',
    check (not isempty(span))
);
alter sequence fleet.trip_number owned by fleet.trips.id;
create index trips_span_idx on fleet.trips using gist (span);
alter table fleet.trips enable row level security;
create policy drivers on fleet.trips to authenticated
    using (driver = (select auth.uid())) with check (driver = (select auth.uid()));
