create index concurrently if not exists orders_2025_email_idx on shop.orders_2025 (email);
