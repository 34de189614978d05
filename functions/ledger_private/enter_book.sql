-- ledger_private.enter_book: the door of everything that writes. Called by definer functions only.
--
-- Takes the book's lock, level 0 of the global order: shared for postings, exclusive for what
-- changes the rules under them. Role and state are read after it, in a later statement: the
-- snapshot is new, and nobody can change them before this transaction ends.

create or replace function ledger_private.enter_book(
    book_id uuid,
    required_role text,
    exclusive boolean default false,
    allow_archived boolean default false,
    replay_key text default null
)
returns ledger_private.door
language plpgsql
volatile
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_door ledger_private.door;
    -- The ordinary caller at a glance, without a call.
    v_user uuid := coalesce(
        case current_setting('role') when 'authenticated' then auth.uid() end,
        ledger_private.caller()
    );
    v_key bigint := uuid_hash_extended(enter_book.book_id, 0);
    v_locked boolean := case
        when exclusive then false else pg_try_advisory_xact_lock_shared(v_key)
    end;
    v_refusal text;
begin
    -- Who would have to wait is asked for her role before, too, and again after: nobody stalls a
    -- book that she may not change, or learns from the wait that it is there.
    loop
        if v_user is null then
            select null::uuid, 'owner', b.has_groups, b.has_periods, b.archived_at is not null
            into v_door.user_id, v_door.role, v_door.has_groups, v_door.has_periods, v_door.archived
            from ledger_private.books as b
            where b.id = enter_book.book_id;
        else
            select m.user_id, m.role, b.has_groups, b.has_periods, b.archived_at is not null
            into v_door.user_id, v_door.role, v_door.has_groups, v_door.has_periods, v_door.archived
            from ledger_private.book_members as m
            inner join ledger_private.books as b on b.id = m.book_id
            where m.book_id = enter_book.book_id and m.user_id = v_user;
        end if;

        v_refusal := case
            when v_door.role is null then 'book_not_found'
            when
                v_door.role = 'viewer'
                or (v_door.role = 'editor' and required_role = 'owner')
                or (v_door.role = 'holder' and required_role <> 'holder') then 'forbidden'
            when v_door.archived and not allow_archived then 'book_archived'
        end;
        if v_refusal = 'book_archived' and replay_key is not null then
            perform
            from ledger_private.transactions as t
            where t.book_id = enter_book.book_id and t.idempotency_key = replay_key;
            v_refusal := case when not found then 'book_archived' end;
        end if;
        if v_refusal is not null then
            perform ledger_private.raise_error(v_refusal, jsonb_strip_nulls(jsonb_build_object(
                'book_id', enter_book.book_id,
                'role', v_door.role,
                'required', case v_refusal when 'forbidden' then required_role end
            )));
        end if;
        exit when v_locked;

        begin
            if exclusive then
                perform pg_advisory_xact_lock(v_key);
            else
                perform pg_advisory_xact_lock_shared(v_key);
            end if;
            v_locked := true;
        exception when lock_not_available then
            perform ledger_private.raise_error(
                'busy', jsonb_build_object('book_id', enter_book.book_id)
            );
        end;
    end loop;

    -- At repeatable read and above the snapshot is older than the lock: a rule may have changed
    -- since, unseen. So who changes rules also writes the book's row, and who posts at such a level
    -- reads it with a lock: Postgres then aborts the older one (40001).
    if exclusive then
        update ledger_private.books as b set name = b.name where b.id = enter_book.book_id;
    elsif current_setting('transaction_isolation') <> 'read committed' then
        perform from ledger_private.books as b where b.id = enter_book.book_id for share;
    end if;
    return v_door;
end;
$$;

comment on function ledger_private.enter_book is
$$Lock a book and check what the caller may do in it.

required_role: owner, editor, or holder (then her accounts have to be checked, see
check_holder). replay_key: an idempotency key that opens an archived book where it was used before
it was archived.$$;

revoke execute on function ledger_private.enter_book
from public, anon, authenticated, service_role;
