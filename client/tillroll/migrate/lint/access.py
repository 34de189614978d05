"""Rules about who may see and call what, on Supabase."""

from __future__ import annotations

from tillroll.migrate.lint.rule import ERROR, WARNING, Rule
from tillroll.migrate.lint.world import Here
from tillroll.migrate.parser import Change

__all__ = ["ACCESS"]

_WRITES = {"insert", "update", "delete", "truncate", "all"}
_PER_ROW = {"auth.uid", "auth.jwt", "auth.role", "auth.email", "current_setting"}
_RELOADS = (  # what PostgREST keeps in its schema cache
    "create table, create view, create function, drop table, drop view, drop function, add column, "
    "drop column, retype column, rename table, rename column, rename view"
)


def _is_unpinned(change: Change, here: Here) -> bool:
    return not here.world.thing(change).flags & {"search path", "definer", "atomic"}


def _is_unpinned_definer(change: Change, here: Here) -> bool:
    flags = here.world.thing(change).flags
    return "definer" in flags and "search path" not in flags


def _is_callable_definer(change: Change, here: Here) -> bool:
    thing = here.world.thing(change)
    return thing.flags & {"definer", "trigger"} == {"definer"} and bool(thing.callers)


def _is_ungranted(change: Change, here: Here) -> bool:
    kind = "function" if change.kind == "function" else "table"
    by_default = {(kind, change.schema), (kind, "")} & here.world.defaults
    return not (by_default or here.world.thing(change).flags & {"granted", "trigger"})


def _is_overload(change: Change, here: Here) -> bool:
    thing = here.world.thing(change)
    others = thing.signatures - {change.words}
    return bool(others) and not thing.gone


def _is_unannounced(change: Change, here: Here) -> bool:
    """Whether it is the last of its file, and PostgREST does not hear of it."""
    return here.reloads and not any(
        each.action == "reload schema"
        or (each.action in _RELOADS.split(", ") and here.is_shown(each))
        for each in here.after
    )


ACCESS = (
    Rule(
        "definer-search-path",
        ERROR,
        "SECURITY DEFINER looks up names along its caller's search_path, with the owner's rights",
        "add `set search_path = ''` and write every name with its schema",
        "create function",
        test=_is_unpinned_definer,
        waits=True,
    ),
    Rule(
        "definer-exposed",
        WARNING,
        "the API offers a SECURITY DEFINER function, which row level security does not hold",
        "put it into a schema that is not exposed, or revoke EXECUTE from public, anon and "
        "authenticated",
        "create function",
        "shown",
        _is_callable_definer,
        waits=True,
    ),
    Rule(
        "function-search-path",
        WARNING,
        "what the names in a function mean depends on its caller's search_path",
        "add `set search_path = ''` and write every name with its schema",
        "create function",
        test=_is_unpinned,
        waits=True,
    ),
    Rule(
        "rls-missing",
        ERROR,
        "a table in an exposed schema without row level security shows all rows to whom it is "
        "granted",
        "alter table … enable row level security",
        "create table, disable row security",
        "shown",
        lambda change, here: "row security" not in here.world.thing(change).flags,
        waits=True,
    ),
    Rule(
        "policy-per-row",
        WARNING,
        "a policy that calls auth.uid() and the like bare calls it again for each row",
        "(select auth.uid())",
        "create policy, alter policy",
        test=lambda change, here: bool(_PER_ROW & set(change.words)),
    ),
    Rule(
        "policy-roles",
        WARNING,
        "a policy without TO is for every role, anon too",
        "name the roles: to authenticated",
        "create policy",
        test=lambda change, here: not change.roles,
    ),
    Rule(
        "policy-user-metadata",
        ERROR,
        "a policy relies on metadata that each user may write",
        "app_metadata, or a table of your own",
        "create policy, alter policy",
        test=lambda change, here: "user_metadata" in change.words,
    ),
    Rule(
        "grant-write",
        ERROR,
        "everybody may write: anon is whoever has the publishable key",
        "grant it to authenticated, or offer a function",
        "grant table, grant default table",
        test=lambda change, here: bool(
            _WRITES & set(change.words) and {"anon", "public"} & set(change.roles)
        ),
    ),
    Rule(
        "default-revoke-in-schema",
        ERROR,
        "ALTER DEFAULT PRIVILEGES IN SCHEMA … REVOKE … FROM PUBLIC does nothing",
        "leave out IN SCHEMA, or revoke on each object",
        "revoke default function, revoke default other",
        test=lambda change, here: change.schema != "" and "public" in change.roles,
    ),
    Rule(
        "grant-missing",
        WARNING,
        "since 2026-10-30 Supabase grants nothing on new objects, and neither do these files",
        "write the GRANT and the REVOKE that are meant",
        "create table, create view, create materialized view, create function",
        "shown",
        _is_ungranted,
        waits=True,
    ),
    Rule(
        "overload",
        ERROR,
        "a second function of one name in an exposed schema makes calls ambiguous (PGRST203); a "
        "new argument makes one too, even with a default and OR REPLACE",
        "drop the old one before, in the same file",
        "create function",
        "shown",
        _is_overload,
    ),
    Rule(
        "view-invoker",
        ERROR,
        "a view in an exposed schema asks with its owner's rights, past row level security",
        "create view … with (security_invoker = true)",
        "create view",
        "shown",
        lambda change, here: "invoker" not in here.world.thing(change).flags,
        waits=True,
    ),
    Rule(
        "reload-schema",
        WARNING,
        "other files tell PostgREST what they change in an exposed schema, this one does not",
        "end the file with notify pgrst, 'reload schema'",
        _RELOADS,
        "shown",
        _is_unannounced,
    ),
)
