-- ledger_private.remove_holder: the engine behind ledger.remove_holder. Under the exclusive lock: a
-- posting of hers that has read her access must end first.
--
-- The membership is locked before the account's row goes, as in the cascade that deletes a user.

create or replace function ledger_private.remove_holder(
    book_id uuid,
    account_id uuid,
    user_id uuid
)
returns ledger.holders
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_holder ledger.holders;
begin
    perform ledger_private.enter_book(remove_holder.book_id, 'owner', exclusive => true);
    perform ledger_private.find_account(remove_holder.book_id, remove_holder.account_id);

    begin
        perform
        from ledger_private.book_members as m
        where m.book_id = remove_holder.book_id and m.user_id = remove_holder.user_id
        for update;

        delete from ledger_private.account_holders as h
        where
            h.book_id = remove_holder.book_id
            and h.account_id = remove_holder.account_id
            and h.user_id = remove_holder.user_id
        returning h.book_id, h.account_id, h.user_id, h.access, h.created_at into v_holder;

        if not found then
            perform ledger_private.raise_error('member_not_found', jsonb_build_object(
                'account_id', remove_holder.account_id, 'user_id', remove_holder.user_id
            ));
        end if;

        delete from ledger_private.book_members as m
        where
            m.book_id = remove_holder.book_id
            and m.user_id = remove_holder.user_id
            and not exists (
                select from ledger_private.account_holders as h
                where h.book_id = m.book_id and h.user_id = m.user_id
            );
    exception when lock_not_available then
        -- The user is being deleted.
        perform ledger_private.raise_error(
            'busy', jsonb_build_object('user_id', remove_holder.user_id)
        );
    end;
    return v_holder;
end;
$$;

comment on function ledger_private.remove_holder is
$$Take an account away from a holder, and with the last one her membership: the engine of
ledger.remove_holder. Returns what she was.$$;

revoke execute on function ledger_private.remove_holder
from public, anon, authenticated, service_role;
grant execute on function ledger_private.remove_holder to authenticated, service_role;
