-- ledger_private.exchange: the engine behind ledger.exchange.
--
-- Missing conversion accounts are opened first, in the order of their ids: two first exchanges in
-- opposite directions meet at the same one. A dry run opens them too, and then takes everything
-- back.

create or replace function ledger_private.exchange(
    book_id uuid,
    from_account_id uuid,
    to_account_id uuid,
    sell_amount bigint,
    buy_amount bigint,
    idempotency_key text,
    effective_on date,
    description text,
    external_id text,
    metadata jsonb,
    expect ledger.expectation[],
    dry_run boolean
)
returns ledger.receipt
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_max constant bigint := 9007199254740991;
    v_door ledger_private.door;
    v_hash bytea;
    v_receipt ledger.receipt;
    v_sell record;
    v_buy record;
    -- The conversion accounts of the two currencies.
    v_sold uuid;
    v_bought uuid;
    v_conversion record;
    v_rate numeric;
begin
    if
        coalesce(exchange.sell_amount not between 1 and v_max, true)
        or coalesce(exchange.buy_amount not between 1 and v_max, true)
    then
        perform ledger_private.raise_error('invalid_amount', jsonb_build_object(
            'sell_amount', exchange.sell_amount, 'buy_amount', exchange.buy_amount
        ));
    elsif exchange.from_account_id = exchange.to_account_id then
        perform ledger_private.raise_error(
            'same_account', jsonb_build_object('account_id', exchange.to_account_id)
        );
    end if;
    v_hash := ledger_private.check_posting(
        'exchange',
        concat_ws(
            ' ', exchange.from_account_id, exchange.to_account_id, exchange.sell_amount,
            exchange.buy_amount, nullif(exchange.expect, '{}')
        ),
        exchange.idempotency_key, exchange.effective_on, exchange.description,
        exchange.external_id, exchange.metadata
    );
    v_door := ledger_private.enter_book(
        exchange.book_id, 'editor', replay_key => exchange.idempotency_key
    );

    select a.currency, c.exponent into v_sell
    from ledger_private.accounts as a
    inner join ledger_private.currencies as c on c.code = a.currency
    where a.book_id = exchange.book_id and a.id = exchange.from_account_id;
    select a.currency, c.exponent into v_buy
    from ledger_private.accounts as a
    inner join ledger_private.currencies as c on c.code = a.currency
    where a.book_id = exchange.book_id and a.id = exchange.to_account_id;
    if v_sell.currency is null or v_buy.currency is null then
        perform ledger_private.raise_error('account_not_found', jsonb_build_object(
            'account_id',
            case
                when v_sell.currency is null then exchange.from_account_id
                else exchange.to_account_id
            end
        ));
    end if;
    perform ledger_private.check_argument(
        'to_account_id', v_sell.currency <> v_buy.currency,
        'of another currency: within one money moves by transfer'
    );
    v_sold := ledger_private.conversion_account_id(exchange.book_id, v_sell.currency);
    v_bought := ledger_private.conversion_account_id(exchange.book_id, v_buy.currency);
    perform ledger_private.check_argument(
        'from_account_id',
        exchange.from_account_id <> v_sold and exchange.to_account_id <> v_bought,
        'neither account one of conversion'
    );

    -- Ten digits of it; numeric divides exactly enough because the dividend has 50 places.
    v_rate := round(exchange.buy_amount * 10::numeric ^ v_sell.exponent, 50)
    / (exchange.sell_amount * 10::numeric ^ v_buy.exponent);
    v_rate := trim_scale(round(v_rate, 9 - floor(log(v_rate))::integer));

    begin
        for v_conversion in
            select c.id, c.currency
            from unnest(
                array[v_sold, v_bought], array[v_sell.currency, v_buy.currency]
            ) as c (id, currency)
            where not exists (
                select from ledger_private.accounts as a
                where a.book_id = exchange.book_id and a.id = c.id and a.currency = c.currency
            )
            order by c.id
        loop
            perform ledger_private.open_account(
                exchange.book_id, 'Conversion ' || v_conversion.currency, 'equity',
                v_conversion.currency, null, null, null, false, null, null, v_conversion.id, 16
            );
        end loop;

        v_receipt := ledger_private.claim_transaction(
            exchange.book_id, v_door, 'exchange', exchange.idempotency_key, v_hash,
            exchange.effective_on, exchange.description, exchange.external_id,
            coalesce(exchange.metadata, '{}') || jsonb_build_object('exchange', jsonb_build_object(
                'sell_currency', v_sell.currency,
                'buy_currency', v_buy.currency,
                'sell_amount', exchange.sell_amount,
                'buy_amount', exchange.buy_amount,
                'rate', v_rate::text,
                'rounding',
                'Both amounts are exact; only the rate, shown to 10 significant digits, is rounded.'
            )),
            null, exchange.dry_run
        );
        if not v_receipt.replayed then
            v_receipt := ledger_private.post_legs(
                exchange.book_id, v_door, v_receipt,
                array[
                    row(
                        null, null, exchange.from_account_id, null, -exchange.sell_amount,
                        null, null, null
                    ),
                    row(null, null, v_sold, null, exchange.sell_amount, null, null, null),
                    row(null, null, v_bought, null, -exchange.buy_amount, null, null, null),
                    row(
                        null, null, exchange.to_account_id, null, exchange.buy_amount,
                        null, null, null
                    )
                ]::ledger_private.leg[],
                exchange.expect
            );
        end if;
        if v_receipt.dry_run then
            raise sqlstate 'TRDRY';
        end if;
    exception when sqlstate 'TRDRY' then
        -- The accounts are gone again; the receipt is not.
        null;
    end;
    return v_receipt;
end;
$$;

comment on function ledger_private.exchange is
'Exchange two amounts of two currencies: the engine of ledger.exchange. Minor units.';

revoke execute on function ledger_private.exchange
from public, anon, authenticated, service_role;
grant execute on function ledger_private.exchange to authenticated, service_role;
