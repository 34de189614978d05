create view clinic.no_shows with (security_invoker = true) as
select p.id, clinic.full_name(p.first_name, p.last_name) as patient, count(*) as times
from clinic.patients p
join clinic.visits v on v.patient_id = p.id
where v.state = 'no_show'
group by p.id, p.first_name, p.last_name;
grant select on clinic.no_shows to service_role;
