-- ledger_private.remove_member: the engine behind ledger.remove_member. Under the exclusive lock: a
-- posting of hers that has read her role must end first.

create or replace function ledger_private.remove_member(book_id uuid, user_id uuid)
returns ledger.members
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_member ledger.members;
begin
    perform ledger_private.enter_book(remove_member.book_id, 'owner', exclusive => true);
    perform ledger_private.keep_an_owner(remove_member.book_id, remove_member.user_id);

    begin
        delete from ledger_private.book_members as m
        where m.book_id = remove_member.book_id and m.user_id = remove_member.user_id
        returning m.book_id, m.user_id, m.role, m.created_at into v_member;
    exception when lock_not_available then
        -- The user is being deleted.
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('user_id', remove_member.user_id)
        );
    end;

    if v_member.user_id is null then
        perform ledger_private.raise_error(
            'member_not_found', jsonb_build_object('user_id', remove_member.user_id)
        );
    end if;
    return v_member;
end;
$$;

comment on function ledger_private.remove_member is
'Take a user out of a book: the engine of ledger.remove_member. Returns what she was.';

revoke execute on function ledger_private.remove_member
from public, anon, authenticated, service_role;
grant execute on function ledger_private.remove_member to authenticated, service_role;
