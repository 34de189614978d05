-- pg-delta: transaction=false
-- Written by `db diff`: without a transaction, so that nobody waits.

create index concurrently products_name_idx on shop.products (lower(name));

create unique index concurrently products_sku_lower_idx on shop.products (lower(sku));
comment on index shop.products_name_idx is 'for the search box; see #212';
