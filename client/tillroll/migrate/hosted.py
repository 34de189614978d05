"""What on a hosted database is Supabase's, and not the project's."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tillroll.migrate.facts import Fact, fingerprint

__all__ = ["own", "own_fingerprint", "platform_schemas"]

_SCHEMAS = {
    *("_analytics", "_realtime", "_supavisor", "auth", "cron", "etl", "extensions", "graphql"),
    *("graphql_public", "information_schema", "net", "pg_catalog", "pgbouncer", "pgmq"),
    *("pgmq_public", "pgsodium", "pgsodium_masks", "pgtle", "realtime", "repack", "storage"),
    *("supabase_functions", "supabase_migrations", "tiger", "tiger_data", "topology", "vault"),
}
_ROLES = re.compile(r"supabase_\w+|pgsodium_\w+|pgbouncer|pgtle_admin|dashboard_user")
_NAMED = {
    ("publication", "supabase_realtime"),
    ("publication", "supabase_realtime_messages_publication"),
    ("setting", "every role app.settings.jwt_exp"),
    ("setting", "every role app.settings.jwt_secret"),
}
_POLICIED = {"realtime", "storage"}  # tables of the platform on which projects write the policies


def platform_schemas(facts: Iterable[Fact]) -> frozenset[str]:
    """Return the schemas that the platform looks after: known ones, and those its roles own."""
    owned = (fact.schemas for fact in facts if fact.kind == "schema" and _is_role(fact.owner))
    return frozenset(_SCHEMAS).union(*owned)


def own(facts: Iterable[Fact], schemas: frozenset[str]) -> tuple[Fact, ...]:
    """Return the facts that are the project's.

    A trigger is the project's where its function is, as on `auth.users`; a policy on a table of
    the storage is; what stands in no schema goes by its owner.

    Args:
        facts: Of a database.
        schemas: The platform's.
    """
    return tuple(fact for fact in facts if not _is_platforms(fact, schemas))


def own_fingerprint(facts: tuple[Fact, ...]) -> str:
    """Return the fingerprint that does not move when the platform upgrades its own."""
    return fingerprint(own(facts, platform_schemas(facts)))


def _is_platforms(fact: Fact, schemas: frozenset[str]) -> bool:
    if fact.kind == "policy" and not _POLICIED.isdisjoint(fact.schemas):
        return False
    if (fact.kind, fact.identity) in _NAMED or _is_role(fact.owner):
        return True
    return bool(fact.schemas) and schemas.issuperset(fact.schemas)


def _is_role(name: str | None) -> bool:
    return name is not None and _ROLES.fullmatch(name) is not None
