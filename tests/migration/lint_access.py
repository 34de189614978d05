"""For each rule of `lint` about access what it finds, and what it does not."""

from __future__ import annotations

DEFINER = "create function {} returns {} language sql security definer {} as 'select 1'"
NOTED = "revoke all on function public.f from public, anon, authenticated"

ACCESS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "definer-search-path": (
        (DEFINER.format("app.f()", "int", ""),),
        (
            DEFINER.format("app.f()", "int", "set search_path = ''"),
            DEFINER.format("app.f()", "int", "") + ";alter function app.f set search_path = ''",
            DEFINER.format("app.f()", "int", "") + ";alter function app.f security invoker",
            DEFINER.format("app.f()", "int", "") + ";drop function app.f()",
        ),
    ),
    "definer-exposed": (
        (
            DEFINER.format("public.f()", "int", ""),
            DEFINER.format("public.f()", "int", "") + ";revoke all on function f from public, anon",
            DEFINER.format("public.f()", "int", "")
            + ";revoke all on function f from public, authenticated",
            DEFINER.format("public.f()", "int", "")
            + ";revoke all on function f from anon, authenticated",
            DEFINER.format("public.f()", "int", "") + ";alter function f set search_path = ''",
            DEFINER.format("public.f()", "int", "")
            + f";{NOTED}; grant execute on function public.f to authenticated",
        ),
        (
            DEFINER.format("app.f()", "int", ""),
            DEFINER.format("public.f()", "trigger", ""),
            DEFINER.format("public.f()", "int", "") + f";{NOTED}",
            DEFINER.format("public.f()", "int", "")
            + ";create or replace function public.f() returns int language sql as 'select 1'",
            DEFINER.format("public.f()", "int", "")
            + ";revoke all on all functions in schema public from public, anon, authenticated",
        ),
    ),
    "function-search-path": (
        (
            "create function app.f() returns int language sql as 'select 1'",
            "create or replace function public.price(id bigint) returns int language sql as ''",
        ),
        (
            "create function app.f() returns int language sql set search_path = '' as 'select 1'",
            "create function app.f() returns int language sql begin atomic select 1; end",
            DEFINER.format("app.f()", "int", ""),
        ),
    ),
    "rls-missing": (
        (
            "create table public.x (id int)",
            "create table x (id int)",
            "alter table orders disable row level security",
            "create table public.x (id int); alter table x enable row level security;"
            "alter table x disable row level security",
        ),
        (
            "create table public.x (id int); alter table x enable row level security",
            "create table app.x (id int)",
            "create temporary table x (id int)",
            "create table public.x (id int); drop table public.x",
        ),
    ),
    "policy-per-row": (
        (
            "create policy p on orders to authenticated using (auth.uid() = kind)",
            "alter policy p on orders with check (auth.jwt() ->> 'a' = kind)",
            "create policy p on orders to authenticated using (auth.role() = kind)",
            "create policy p on orders to authenticated using (auth.email() = kind)",
            "create policy p on orders to authenticated using (current_setting('a') = kind)",
        ),
        (
            "create policy p on orders to authenticated using ((select auth.uid()) = kind)",
            "create policy p on orders to authenticated using (lower(kind) = 'a')",
        ),
    ),
    "policy-roles": (
        ("create policy p on orders using (true)",),
        (
            "create policy p on orders to public using (true)",
            "alter policy p on orders using (true)",
        ),
    ),
    "policy-user-metadata": (
        (
            "create policy p on orders to authenticated "
            "using ((select auth.jwt()) -> 'user_metadata' ->> 'role' = 'admin')",
            "alter policy p on orders "
            "with check (auth.jwt() -> 'user_metadata' ->> 'role' = 'admin')",
        ),
        (
            "create policy p on orders to authenticated "
            "using ((select auth.jwt()) -> 'app_metadata' ->> 'role' = 'admin')",
        ),
    ),
    "grant-write": (
        (
            "grant insert on orders to anon",
            "grant delete on orders to anon",
            "grant truncate on orders to anon",
            "grant all on all tables in schema public to anon, authenticated",
            "grant update (note) on orders to public",
            "alter default privileges in schema public grant all on tables to anon",
        ),
        (
            "grant select on orders to anon",
            "grant insert on orders to authenticated",
            "grant all on schema public to anon",
            "revoke all on orders from anon",
        ),
    ),
    "grant-missing": (
        (
            "create table public.x (id int)",
            "create view public.x as select 1",
            "create materialized view public.x as select 1",
            "create function public.f() returns int language sql as 'select 1'",
            "create table public.x (id int); grant select on public.other to anon",
            "create table public.x (id int); create table app.x (id int);"
            "grant select on app.x to anon",
            "grant execute on function public.price to anon; drop function public.price; create "
            "function public.price(id bigint) returns int language sql as 'select 2'",
        ),
        (
            "create table public.x (id int); grant select on x to anon",
            "create table public.x (id int); revoke all on x from anon",
            "create procedure public.p() language sql as 'select 1';"
            "revoke all on procedure public.p from public",
            "create procedure public.p() language sql as 'select 1';"
            "revoke all on routine public.p from public",
            "create table public.x (id int); grant select on all tables in schema public to anon",
            "alter default privileges in schema public grant select on tables to anon;"
            "create table public.x (id int)",
            "alter default privileges grant select on tables to anon;create table x (id int)",
            "alter default privileges grant execute on functions to anon;"
            "create function public.f() returns int language sql as 'select 1'",
            "create table app.x (id int)",
            "create function public.f() returns trigger language plpgsql as 'begin end'",
            "grant execute on function public.price to anon; create or replace function "
            "public.price(id bigint) returns int language sql as 'select 2'",
        ),
    ),
    "view-invoker": (
        (
            "create view public.v as select 1",
            "create view public.v with (security_invoker = off) as select 1",
            "create view public.v with (security_invoker) as select 1;"
            "create or replace view public.v as select 2",
        ),
        (
            "create view public.v with (security_invoker) as select 1",
            "create view public.v as select 1; alter view public.v set (security_invoker = on)",
            "create view app.v as select 1",
        ),
    ),
}
