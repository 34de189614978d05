alter type shop.order_state add value if not exists 'refunded';
alter type shop.order_state rename value 'cart' to 'basket';
