CREATE OR REPLACE FUNCTION shop.recount() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    v_order bigint := coalesce(new.order_id, old.order_id);
BEGIN
    UPDATE shop.orders o
    SET total = (
        SELECT coalesce(sum(l.quantity * p.gross), 0)
        FROM shop.order_lines l JOIN shop.products p ON p.id = l.product_id
        WHERE l.order_id = v_order
    )
    WHERE o.id = v_order;
    RETURN NULL;
EXCEPTION WHEN numeric_value_out_of_range THEN
    RAISE EXCEPTION 'order % is too dear; sorry', v_order USING ERRCODE = 'P0001';
END;
$fn$;

CREATE TRIGGER recount AFTER INSERT OR UPDATE OR DELETE ON shop.order_lines
FOR EACH ROW EXECUTE FUNCTION shop.recount();

insert into shop.products (sku, name, price) values
    ('A-1', 'Kettle; small', 19.90), ('A-2', 'Kettle ''XL''', 1029.00), ('A-3', E'Tea\tbox', 4.5);
