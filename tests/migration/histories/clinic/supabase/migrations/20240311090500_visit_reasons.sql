create table "clinic"."reasons" (
    "code" text not null,
    "label" text not null
);

alter table "clinic"."reasons" enable row level security;

alter table "clinic"."visits" add column "reason" text;

CREATE UNIQUE INDEX reasons_pkey ON clinic.reasons USING btree (code);

alter table "clinic"."reasons" add constraint "reasons_pkey" PRIMARY KEY using index "reasons_pkey";

alter table "clinic"."visits" add constraint "visits_reason_fkey" FOREIGN KEY (reason) REFERENCES clinic.reasons(code) not valid;

alter table "clinic"."visits" validate constraint "visits_reason_fkey";

set check_function_bodies = off;

CREATE OR REPLACE FUNCTION clinic.next_visit(patient bigint)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
AS $function$
  select min(v.starts_at) from clinic.visits v
  where v.patient_id = patient and v.state = 'booked'; -- not the ones underway
$function$
;

grant select on table "clinic"."reasons" to "authenticated";

create policy "staff reads reasons"
on "clinic"."reasons"
as permissive
for select
to authenticated
using (true);


