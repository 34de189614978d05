-- ledger_private.caller: whose call this is. Called by definer functions only: there current_user
-- is always the owner. Who calls is the setting `role`, which PostgREST makes, or the login where
-- there is none; never the absence of a user id.

create or replace function ledger_private.caller()
returns uuid
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
    v_role text := coalesce(nullif(current_setting('role', true), 'none'), session_user);
    v_user uuid := auth.uid();
begin
    if v_role = 'authenticated' and v_user is not null then
        return v_user;
    elsif v_role = 'service_role' or pg_has_role(v_role, current_user, 'usage') then
        return null;
    elsif v_user is null then
        perform ledger_private.raise_error(
            'forbidden', jsonb_build_object('required', 'a token with a sub claim')
        );
    end if;
    return v_user;
end;
$$;

comment on function ledger_private.caller is
$$Return the signed-in user; null for service_role and the owner of the schema, who act without
membership.$$;

revoke execute on function ledger_private.caller from public, anon, authenticated, service_role;
