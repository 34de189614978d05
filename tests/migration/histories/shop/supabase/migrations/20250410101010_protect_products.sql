create table shop.product_changes (
    at timestamptz default now(), product_id bigint, old_price numeric, new_price numeric
);
create rule tell as on update to shop.products do also (notify price_changed; notify prices);
create rule keep_price as on update to shop.products
where new.price is distinct from old.price
do also insert into shop.product_changes (product_id, old_price, new_price)
values (new.id, old.price, new.price);
create or replace function shop.price_of(sku text, quantity int = 1)
returns numeric language sql stable as
'select p.gross * quantity from shop.products p where p.sku = price_of.sku; -- it''s with tax';
select shop.price_of(sku => 'A-1', quantity => 2);
