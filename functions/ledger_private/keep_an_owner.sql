-- ledger_private.keep_an_owner: a book without an owner could not be managed any more. Called under
-- the book's exclusive lock: without it two owners could demote each other at once.

create or replace function ledger_private.keep_an_owner(book_id uuid, user_id uuid)
returns void
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_others boolean;
    v_is_owner boolean;
begin
    select coalesce(bool_or(m.user_id <> keep_an_owner.user_id), false),
        coalesce(bool_or(m.user_id = keep_an_owner.user_id), false)
    into v_others, v_is_owner
    from ledger_private.book_members as m
    where m.book_id = keep_an_owner.book_id and m.role = 'owner';

    if v_is_owner and not v_others then
        perform ledger_private.raise_error(
            'last_owner', jsonb_build_object('user_id', keep_an_owner.user_id)
        );
    end if;
end;
$$;

comment on function ledger_private.keep_an_owner is
'Raise last_owner where this user is the only owner of the book.';

revoke execute on function ledger_private.keep_an_owner
from public, anon, authenticated, service_role;
