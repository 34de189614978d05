begin;
-- The session's search_path of the file before is gone: every file starts anew.
create table shop.orders (
    id bigint generated always as identity,
    placed_on date not null default current_date,
    customer uuid references auth.users (id),
    email shop.email not null,
    state shop.order_state not null default 'cart',
    total numeric(14, 2) not null default 0,
    primary key (id, placed_on)
) partition by range (placed_on);
create table shop.orders_2025 partition of shop.orders
    for values from ('2025-01-01') to ('2026-01-01');
create table shop.orders_rest partition of shop.orders default;

create table shop.order_lines (
    order_id bigint not null,
    placed_on date not null,
    line smallint not null,
    product_id bigint not null references shop.products (id),
    quantity int not null check (quantity > 0),
    primary key (order_id, placed_on, line),
    foreign key (order_id, placed_on) references shop.orders on delete cascade
);
commit;
