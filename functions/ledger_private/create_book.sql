-- ledger_private.create_book: the engine behind ledger.create_book.
--
-- The id is the lock between duplicates, as an idempotency key is: the second caller waits on the
-- primary key.

create or replace function ledger_private.create_book(name text, base_currency text, id uuid)
returns ledger.books
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_user uuid := ledger_private.caller();
    v_id uuid := coalesce(create_book.id, ledger_private.new_id());
    v_hash bytea := ledger_private.request_hash('create_book', jsonb_build_object(
        'name', create_book.name, 'base_currency', create_book.base_currency, 'user', v_user
    ));
    v_book ledger.books;
begin
    perform ledger_private.check_argument(
        'name', octet_length(create_book.name) between 1 and 255, '1 to 255 bytes'
    );
    perform ledger_private.check_argument(
        'base_currency',
        exists (
            select from ledger_private.currencies as c where c.code = create_book.base_currency
        ),
        'a code of ledger.currencies'
    );

    begin
        insert into ledger_private.books (id, name, base_currency, request_hash)
        values (v_id, create_book.name, create_book.base_currency, v_hash)
        on conflict on constraint books_pkey do nothing;
        if found and v_user is not null then
            insert into ledger_private.book_members (book_id, user_id, role)
            values (v_id, v_user, 'owner');
        end if;
    exception
        when foreign_key_violation then
            -- Her token outlives her.
            perform ledger_private.raise_error(
                'user_not_found', jsonb_build_object('user_id', v_user)
            );
        when lock_not_available then
            perform ledger_private.raise_error('busy', jsonb_build_object('id', v_id));
    end;

    -- The hash names the caller: a stranger's book is not returned to her, nor her own when she has
    -- been removed from it.
    select k.id, k.name, k.base_currency, k.archived_at, k.created_at into v_book
    from ledger_private.books as k
    where
        k.id = v_id
        and k.request_hash = v_hash
        and (v_user is null or exists (
            select from ledger_private.book_members as m
            where m.book_id = k.id and m.user_id = v_user
        ));

    if not found then
        perform ledger_private.raise_error('idempotency_mismatch', jsonb_build_object('id', v_id));
    end if;
    return v_book;
end;
$$;

comment on function ledger_private.create_book is
'Create a book: the engine of ledger.create_book.';

revoke execute on function ledger_private.create_book
from public, anon, authenticated, service_role;
grant execute on function ledger_private.create_book to authenticated, service_role;
