start transaction;
alter table shop.orders alter column state set default 'basket';
alter table shop.orders add constraint refunds_have_a_total
    check (state <> 'refunded' or total > 0) not valid;
create index orders_refunded_idx on shop.orders (placed_on) where state = 'refunded';
end;
