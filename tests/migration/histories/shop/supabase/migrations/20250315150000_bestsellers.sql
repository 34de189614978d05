create materialized view shop.bestsellers as
select p.id, p.name, sum(l.quantity) as sold, rank() over (order by sum(l.quantity) desc) as place
from shop.products p left join shop.order_lines l on l.product_id = p.id
group by p.id
with no data;
create unique index bestsellers_id on shop.bestsellers (id);
refresh materialized view shop.bestsellers;
grant usage on schema shop to anon, authenticated, service_role;
grant select on all tables in schema shop to service_role;
grant select on shop.bestsellers to anon;
