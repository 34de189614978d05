-- The roles of a Supabase project, for a bare Postgres. Mirrors supabase/postgres 17.6 (2026).
--
-- Only for servers that are not Supabase: tests, laptops, a server of one's own. Run as the
-- superuser, in the database that will hold the ledger; running it again changes nothing. Not
-- mirrored: the extension safeupdate, which Supabase preloads for `authenticator`.

do $$
declare
    v_role text;
begin
    foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
        if not exists (select from pg_catalog.pg_roles as r where r.rolname = v_role) then
            execute format('create role %I nologin noinherit', v_role);
        end if;
    end loop;
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'authenticator') then
        create role authenticator login noinherit;
    end if;
    if not exists (
        select from pg_catalog.pg_roles as r where r.rolname = 'supabase_auth_admin'
    ) then
        create role supabase_auth_admin login noinherit;
    end if;
    -- On Supabase `postgres` is no superuser. On a bare server it often is the only one: then it
    -- stays so.
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'postgres') then
        create role postgres login createdb createrole replication bypassrls;
    end if;
    execute format('alter database %I owner to postgres', current_database());
end;
$$;

alter role service_role bypassrls;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';

grant anon to authenticator, postgres;
grant authenticated to authenticator, postgres;
grant service_role to authenticator, postgres;
