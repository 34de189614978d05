-- ledger_private.set_holder: the engine behind ledger.set_holder. Under the exclusive lock: a
-- posting that has read the old access must end first.
--
-- The membership comes before the account's row, as in the cascade that deletes a user.

create or replace function ledger_private.set_holder(
    book_id uuid,
    account_id uuid,
    user_id uuid,
    access text
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
    perform ledger_private.check_argument(
        'access', set_holder.access in ('view', 'spend'), 'view or spend'
    );
    perform ledger_private.enter_book(set_holder.book_id, 'owner', exclusive => true);
    perform ledger_private.find_account(set_holder.book_id, set_holder.account_id);

    begin
        insert into ledger_private.book_members (book_id, user_id, role)
        values (set_holder.book_id, set_holder.user_id, 'holder')
        on conflict on constraint book_members_pkey do nothing;

        perform ledger_private.check_argument(
            'user_id',
            exists (
                select from ledger_private.book_members as m
                where
                    m.book_id = set_holder.book_id
                    and m.user_id = set_holder.user_id
                    and m.role = 'holder'
            ),
            'not a member with another role: set_member to holder first'
        );

        insert into ledger_private.account_holders as h (book_id, account_id, user_id, access)
        values (
            set_holder.book_id, set_holder.account_id, set_holder.user_id, set_holder.access
        )
        on conflict on constraint account_holders_pkey do update set access = excluded.access
        returning h.book_id, h.account_id, h.user_id, h.access, h.created_at into v_holder;
    exception
        when foreign_key_violation or not_null_violation then
            perform ledger_private.raise_error(
                'user_not_found', jsonb_build_object('user_id', set_holder.user_id)
            );
        when lock_not_available then
            -- The user is being deleted.
            perform ledger_private.raise_error(
                'busy', jsonb_build_object('user_id', set_holder.user_id)
            );
    end;
    return v_holder;
end;
$$;

comment on function ledger_private.set_holder is
'Let a user see an account, or also spend from it: the engine of ledger.set_holder.';

revoke execute on function ledger_private.set_holder from public, anon, authenticated, service_role;
grant execute on function ledger_private.set_holder to authenticated, service_role;
