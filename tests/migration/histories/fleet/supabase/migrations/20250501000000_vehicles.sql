create schema fleet create table vehicles (
    id text primary key,
    model text,
    km bigint not null default 0
) create view busy as select id from vehicles where km > 100000
  grant select on busy to service_role;

create type fleet.position as (lat double precision, lon double precision);
create sequence fleet.trip_number start 1000 increment 1;
