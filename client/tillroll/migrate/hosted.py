"""What on a hosted database is Supabase's, and not the project's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from tillroll.migrate.compare import Pair
from tillroll.migrate.facts import Fact, define, fingerprint, properties

__all__ = [
    "MESSAGES",
    "POLICIED",
    "REALTIME",
    "differing",
    "is_platform_role",
    "own_fingerprint",
    "platform_schemas",
]

Key = tuple[str, str]  # kind and identity of a fact

_SCHEMAS = {
    *("_analytics", "_realtime", "_supavisor", "auth", "cron", "etl", "extensions", "graphql"),
    *("graphql_public", "information_schema", "net", "pg_catalog", "pgbouncer", "pgmq"),
    *("pgmq_public", "pgsodium", "pgsodium_masks", "pgtle", "realtime", "repack", "storage"),
    *("supabase_functions", "supabase_migrations", "tiger", "tiger_data", "topology", "vault"),
}
_ROLES = re.compile(r"supabase_\w+|pgsodium_\w+|pgbouncer|pgtle_admin|dashboard_user")
REALTIME = "supabase_realtime"  # the platform's, and projects add their tables to it
MESSAGES = "supabase_realtime_messages_publication"
_NAMED = {
    ("publication", REALTIME),
    ("publication", MESSAGES),
    ("setting", "every role app.settings.jwt_exp"),
    ("setting", "every role app.settings.jwt_secret"),
}
POLICIED = {"realtime", "storage"}  # tables of the platform on which projects write the policies


def platform_schemas(facts: Iterable[Fact]) -> frozenset[str]:
    """Return the schemas that the platform looks after: known ones, and those its roles own."""
    owned = (
        fact.schemas for fact in facts if fact.kind == "schema" and is_platform_role(fact.owner)
    )
    return frozenset(_SCHEMAS).union(*owned)


def differing(
    live: Mapping[Key, Fact], bare: Mapping[Key, Fact], made: Mapping[Key, Fact]
) -> Iterator[Pair]:
    """Give the facts on which a live database is not what migrations make, the live one first.

    What migrations make must be there and equal, wherever it is. Of what the platform made first,
    only what they changed in it counts: the real platform knows more than the stand-in. What is
    live and made by neither counts where it is not the platform's.

    Args:
        live: The live database's facts.
        bare: Those of the platform's stand-in, before any migration.
        made: The same after all of them.
    """
    theirs = platform_schemas(live.values()) - {
        name for kind, name in made.keys() - bare.keys() if kind == "schema"
    }
    for key in sorted(live.keys() | made.keys()):
        here, before, after = live.get(key), bare.get(key), made.get(key)
        if before == after:
            if before is None and here is not None and not _is_platforms(here, theirs):
                yield Pair(here, None)
            continue
        if here is not None and before is not None and after is not None:
            here, after = _narrowed(here, before, after)
        if here != after:
            yield Pair(here, after)


def _narrowed(here: Fact, before: Fact, after: Fact) -> tuple[Fact, Fact]:
    said, was, shall = (properties(each.definition) for each in (here, before, after))
    names = [name for name in was.keys() | shall.keys() if was.get(name) != shall.get(name)]
    here = replace(here, definition=define({name: said.get(name) for name in names}))
    return here, replace(after, definition=define({name: shall.get(name) for name in names}))


def own_fingerprint(facts: tuple[Fact, ...]) -> str:
    """Return the fingerprint that does not move when the platform upgrades its own."""
    schemas = platform_schemas(facts)
    return fingerprint(fact for fact in facts if not _is_platforms(fact, schemas))


def _is_platforms(fact: Fact, schemas: frozenset[str]) -> bool:
    """Whether a fact is the platform's.

    A trigger is the project's where its function is, as on `auth.users`; a policy on a table of
    the storage is; what stands in no schema goes by its owner.
    """
    if fact.kind == "policy" and not POLICIED.isdisjoint(fact.schemas):
        return False
    if (fact.kind, fact.identity) in _NAMED or is_platform_role(fact.owner):
        return True
    return bool(fact.schemas) and schemas.issuperset(fact.schemas)


def is_platform_role(name: str | None) -> bool:
    """Whether a role is one with which the platform looks after its own."""
    return name is not None and _ROLES.fullmatch(name) is not None
