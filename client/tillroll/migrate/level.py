"""Facts of two servers made comparable: what only one of them can say is left out."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import psycopg
from psycopg import sql

from tillroll.migrate.facts import SERVER, Fact, define, properties

__all__ = ["Facts", "level", "major_of", "respelled"]

Facts = dict[tuple[str, str], Fact]  # by kind and identity

# Since which major version a property can be said, or is another by default; 0: it is always the
# server's or the reader's affair.
_SINCE = {
    "collation": {"iculocale": 17, "locale": 17},
    "column": {
        "not null inherited": 18,
        "not null name": 18,
        "not null not inherited": 18,
        "not null not validated": 18,
    },
    "extension": {"version": 0},
    "publication": {"gencols": 18},
    "subscription": {"stream": 18},
    "type": {"not null name": 17},
    "user mapping": {"options": 0},
}
_MAINTAIN = 17  # the first version with this privilege


def major_of(facts: Iterable[Fact]) -> int:
    """Return the major version of the server that facts are of."""
    return next(int(properties(f.definition)["major"]) for f in facts if f.kind == SERVER)


def level(
    facts: Iterable[Fact], majors: Collection[int], roles: Mapping[str, str] | None = None
) -> Facts:
    """Return facts as each of some servers would give them.

    Args:
        facts: Of one server.
        majors: The major versions of all.
        roles: Other names to give to roles.
    """
    oldest, newest = min(majors), max(majors)
    found = {}
    for fact in facts:
        if fact.kind == SERVER:
            continue
        said: dict[str, object] = dict(properties(fact.definition))
        for name, since in _SINCE.get(fact.kind, {}).items():
            if not since or oldest < since <= newest:
                said.pop(name, None)
        identity = fact.identity
        if fact.kind == "default privileges" or fact.kind.startswith("grants on "):
            said = _granted(said, oldest < _MAINTAIN <= newest, roles or {})
            who, space, what = identity.partition(" ")
            if fact.kind == "default privileges":
                identity = f"{(roles or {}).get(who, who)}{space}{what}"
        elif roles and "owner" in said:
            said["owner"] = roles.get(str(said["owner"]), said["owner"])
        found[fact.kind, identity] = replace(fact, identity=identity, definition=define(said))
    return found


def respelled(conn: psycopg.Connection, facts: Facts, others: Facts) -> Facts:
    """Return facts with the queries of views as this server would write them.

    Args:
        conn: To a throw-away database that is what `others` say.
        facts: Of a server of another version.
        others: Of this one.
    """
    found = dict(facts)
    for key, fact in facts.items():
        if key[0] == "relation" and key in others and fact != others[key]:
            said = properties(fact.definition)
            if "query" in said:
                query = _respell(conn, said["query"])
                found[key] = replace(fact, definition=define({**said, "query": query}))
    return found


def _respell(conn: psycopg.Connection, query: str) -> str:
    """Return a query as this server writes it; as it is where it cannot be read here."""
    with conn.transaction(force_rollback=True):
        try:
            view = sql.SQL("create temporary view tillroll_view as {}")
            conn.execute(view.format(sql.SQL(query)))
            row = conn.execute("select pg_get_viewdef('pg_temp.tillroll_view'::regclass)")
            return str(row.fetchall()[0][0])
        except psycopg.Error:
            return query


def _granted(
    said: Mapping[str, object], without_maintain: bool, roles: Mapping[str, str]
) -> dict[str, object]:
    found: dict[str, object] = {}
    for role, granted in said.items():
        kept = [
            each
            for each in json.loads(str(granted))
            if not (without_maintain and each.startswith("MAINTAIN"))
        ]
        if kept:
            found[roles.get(role, role)] = kept
    return found
