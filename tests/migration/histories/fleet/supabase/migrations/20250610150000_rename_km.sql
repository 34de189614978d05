alter table fleet.vehicles rename column km to odometer;
alter table fleet.vehicles add constraint odometer_only_grows check (odometer >= 0);
drop view fleet.busy;
alter table fleet.vehicles alter column odometer type numeric(12, 1) using odometer::numeric / 1;
create view fleet.busy as select v.id from fleet.vehicles v where v.odometer > 100000;
