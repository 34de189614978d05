-- ledger_private.conversion_account_id: where a book keeps what it has exchanged of a currency. The
-- id follows from book and currency, so that two first exchanges at once make one account.
--
-- A UUID version 8 (RFC 9562): 122 bits of a SHA-256.

create or replace function ledger_private.conversion_account_id(book_id uuid, currency text)
returns uuid
language plpgsql
immutable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_id bytea := substr(
        sha256(convert_to(
            concat_ws(
                ' ', 'conversion',
                conversion_account_id.book_id, conversion_account_id.currency
            ),
            'UTF8'
        )),
        1, 16
    );
begin
    v_id := set_byte(v_id, 6, (get_byte(v_id, 6) & 15) | 128);
    v_id := set_byte(v_id, 8, (get_byte(v_id, 8) & 63) | 128);
    return encode(v_id, 'hex')::uuid;
end;
$$;

comment on function ledger_private.conversion_account_id is
'Return the id of the conversion account of a book and currency.';

revoke execute on function ledger_private.conversion_account_id
from public, anon, authenticated, service_role;
