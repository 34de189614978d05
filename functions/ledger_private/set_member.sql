-- ledger_private.set_member: the engine behind ledger.set_member. Under the exclusive lock: a
-- posting that has read the old role must end first.

create or replace function ledger_private.set_member(book_id uuid, user_id uuid, role text)
returns ledger.members
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_member ledger.members;
begin
    perform ledger_private.check_argument(
        'role',
        set_member.role in ('owner', 'editor', 'viewer', 'holder'),
        'owner, editor, viewer or holder'
    );
    perform ledger_private.enter_book(set_member.book_id, 'owner', exclusive => true);

    if set_member.role <> 'owner' then
        perform ledger_private.keep_an_owner(set_member.book_id, set_member.user_id);
    end if;
    begin
        insert into ledger_private.book_members as m (book_id, user_id, role)
        values (set_member.book_id, set_member.user_id, set_member.role)
        on conflict on constraint book_members_pkey do update set role = excluded.role
        returning m.book_id, m.user_id, m.role, m.created_at into v_member;

        delete from ledger_private.account_holders as h
        where
            set_member.role <> 'holder'
            and h.book_id = set_member.book_id
            and h.user_id = set_member.user_id;
    exception
        when foreign_key_violation or not_null_violation then
            perform ledger_private.raise_error(
                'user_not_found', jsonb_build_object('user_id', set_member.user_id)
            );
        when lock_not_available then
            -- The user is being deleted.
            perform ledger_private.raise_error(
                'busy', jsonb_build_object('user_id', set_member.user_id)
            );
    end;
    return v_member;
end;
$$;

comment on function ledger_private.set_member is
'Give a user a role in a book: the engine of ledger.set_member.';

revoke execute on function ledger_private.set_member from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_member to authenticated, service_role;
