-- ledger_private.expire_holds: the engine behind ledger.expire_holds.
--
-- What is overdue is found without locks; then all balances are locked in one sorted statement, the
-- holds after them, and what is no longer pending by then is left out. Groups: as in release_hold.

create or replace function ledger_private.expire_holds(book_id uuid)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    v_holds uuid[];
    v_accounts uuid[];
    v_count integer;
begin
    perform ledger_private.enter_book(expire_holds.book_id, 'editor');

    select array_agg(o.id), array_agg(distinct o.account_id) into v_holds, v_accounts
    from (
        select h.id, h.account_id
        from ledger_private.holds as h
        where
            h.book_id = expire_holds.book_id
            and h.state = 'pending'
            and h.expires_at <= clock_timestamp()
        order by h.expires_at
        limit 1000
    ) as o;

    perform ledger_private.lock_accounts(expire_holds.book_id, v_accounts);
    begin
        perform
        from ledger_private.holds as h
        where h.book_id = expire_holds.book_id and h.id = any(v_holds)
        order by h.id
        for no key update;
    exception when lock_not_available then
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('book_id', expire_holds.book_id)
        );
    end;

    with expired as (
        update ledger_private.holds as h
        set released = h.amount - h.captured, state = 'expired'
        where
            h.book_id = expire_holds.book_id and h.id = any(v_holds) and h.state = 'pending'
        returning h.account_id, h.released
    ),

    given_back as (
        update ledger_private.balances as b
        set held = b.held - e.released
        from (
            select x.account_id, sum(x.released)::bigint as released
            from expired as x
            group by x.account_id
        ) as e
        where
            b.book_id = expire_holds.book_id and b.account_id = e.account_id and b.slot = 0
    )

    select count(*) into v_count
    from expired as x;
    return v_count;
end;
$$;

comment on function ledger_private.expire_holds is
'Expire the overdue holds of a book, at most 1000: the engine of ledger.expire_holds.';

revoke execute on function ledger_private.expire_holds
from public, anon, authenticated, service_role;
grant execute on function ledger_private.expire_holds to authenticated, service_role;
