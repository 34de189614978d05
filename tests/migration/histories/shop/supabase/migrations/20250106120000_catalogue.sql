create schema if not exists shop;
set search_path = shop, public;

create table products (
    id bigint generated always as identity primary key,
    sku text not null unique,
    name text not null,
    price numeric(12, 2) not null check (price >= 0),
    tax_rate numeric(4, 3) not null default 0.2,
    gross numeric generated always as (round(price * (1 + tax_rate), 2)) stored,
    attributes jsonb not null default '{}'::jsonb,
    search tsvector generated always as (to_tsvector('simple'::regconfig, name || ' ' || sku)) stored
);
create index on products using gin (search);
create index products_attributes_idx on products using gin (attributes jsonb_path_ops);

create type order_state as enum ('cart', 'placed', 'paid');
create domain email as text check (value ~ '^[^@;]+@[^@;]+$');
