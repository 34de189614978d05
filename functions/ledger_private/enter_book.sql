-- ledger_private.enter_book: the door of everything that writes. Called by definer functions only.
--
-- Takes the book's lock, level 0 of the global order: shared for postings, exclusive for what
-- changes the rules under them. Role and state are read after it, in a later statement: the
-- snapshot is new, and nobody can change them before this transaction ends.
--
-- Inside a definer function current_user is the owner. Who calls is the setting `role`, which
-- PostgREST makes, or the login where there is none; never the absence of a user id.

create or replace function ledger_private.enter_book(
    book_id uuid,
    required_role text,
    exclusive boolean default false,
    allow_archived boolean default false
)
returns uuid
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
    v_roles constant text [] := array['viewer', 'editor', 'owner'];
    v_user uuid := ledger_private.caller();
    v_archived boolean;
    v_role text;
begin
    begin
        if exclusive then
            perform pg_advisory_xact_lock(uuid_hash_extended(enter_book.book_id, 0));
        else
            perform pg_advisory_xact_lock_shared(uuid_hash_extended(enter_book.book_id, 0));
        end if;
    exception when lock_not_available then
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('book_id', enter_book.book_id)
        );
    end;

    select b.archived_at is not null, case when v_user is null then 'owner' else m.role end
    into v_archived, v_role
    from ledger_private.books as b
    left join ledger_private.book_members as m on m.book_id = b.id and m.user_id = v_user
    where b.id = enter_book.book_id;

    if v_role is null then
        perform ledger_private.raise_error(
            'book_not_found', jsonb_build_object('book_id', enter_book.book_id)
        );
    elsif array_position(v_roles, v_role) < array_position(v_roles, required_role) then
        perform ledger_private.raise_error(
            'forbidden', jsonb_build_object('role', v_role, 'required', required_role)
        );
    elsif v_archived and not allow_archived then
        perform ledger_private.raise_error(
            'book_archived', jsonb_build_object('book_id', enter_book.book_id)
        );
    end if;
    return v_user;
end;
$$;

comment on function ledger_private.enter_book is
$$Lock a book and check what the caller may do in it.

Returns the caller's user id, null for service_role and the owner of the schema.$$;

revoke execute on function ledger_private.enter_book from public, anon, authenticated, service_role;
