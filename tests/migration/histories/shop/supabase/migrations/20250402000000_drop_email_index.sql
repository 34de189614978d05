-- pg-delta: transaction=false
drop index concurrently if exists shop.orders_2025_email_idx;
