"""Rules about who may see and call what, on Supabase."""

from __future__ import annotations

from tillroll.migrate.lint.rule import ERROR, WARNING, rule
from tillroll.migrate.lint.world import Here
from tillroll.migrate.parser import Change

_WRITES = {"insert", "update", "delete", "truncate", "all"}
_PER_ROW = {"auth.uid", "auth.jwt", "auth.role", "auth.email", "current_setting"}


@rule(ERROR, "create function", waits=True)
def definer_search_path(change: Change, here: Here) -> bool:
    """SECURITY DEFINER looks up names along its caller's search_path, with the owner's rights.

    Add `set search_path = ''` and write every name with its schema.
    """
    return "definer" in here.thing.flags and "search path" not in here.thing.flags


@rule(WARNING, "create function", only="shown", waits=True)
def definer_exposed(change: Change, here: Here) -> bool:
    """The API offers a SECURITY DEFINER function, which row level security does not hold.

    Put it into a schema that is not exposed, or revoke EXECUTE from public, anon and authenticated.
    """
    return here.thing.flags & {"definer", "trigger"} == {"definer"} and bool(here.thing.callers)


@rule(WARNING, "create function", waits=True)
def function_search_path(change: Change, here: Here) -> bool:
    """What the names in a function mean depends on its caller's search_path.

    Add `set search_path = ''` and write every name with its schema.
    """
    return not here.thing.flags & {"search path", "definer", "atomic"}


@rule(ERROR, "create table", "disable row security", only="shown", waits=True)
def rls_missing(change: Change, here: Here) -> bool:
    """A table in an exposed schema without row level security shows all rows to whom it is granted.

    Alter table … enable row level security.
    """
    return "row security" not in here.thing.flags


@rule(WARNING, "create policy", "alter policy")
def policy_per_row(change: Change, here: Here) -> bool:
    """A policy that calls auth.uid() and the like bare calls it again for each row.

    Write (select auth.uid()).
    """
    return bool(_PER_ROW & set(change.words))


@rule(WARNING, "create policy")
def policy_roles(change: Change, here: Here) -> bool:
    """A policy without TO is for every role, anon too.

    Name the roles: to authenticated.
    """
    return not change.roles


@rule(ERROR, "create policy", "alter policy")
def policy_user_metadata(change: Change, here: Here) -> bool:
    """A policy relies on metadata that each user may write.

    Use app_metadata, or a table of your own.
    """
    return "user_metadata" in change.words


@rule(ERROR, "grant table", "grant default table")
def grant_write(change: Change, here: Here) -> bool:
    """Everybody may write: anon is whoever has the publishable key.

    Grant it to authenticated, or offer a function.
    """
    return bool(_WRITES & set(change.words) and {"anon", "public"} & set(change.roles))


@rule(
    WARNING,
    *("create table", "create view", "create materialized view", "create function"),
    only="shown",
    waits=True,
)
def grant_missing(change: Change, here: Here) -> bool:
    """Since 2026-10-30 Supabase grants nothing on new objects, and neither do these files.

    Write the GRANT and the REVOKE that are meant.
    """
    kind = "function" if change.kind == "function" else "table"
    by_default = {(kind, change.schema), (kind, "")} & here.world.defaults
    return not (by_default or here.thing.flags & {"granted", "trigger"})


@rule(ERROR, "create view", only="shown", waits=True)
def view_invoker(change: Change, here: Here) -> bool:
    """A view in an exposed schema asks with its owner's rights, past row level security.

    Create view … with (security_invoker = true).
    """
    return "invoker" not in here.thing.flags
