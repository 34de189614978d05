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
    without_maintain = oldest < _MAINTAIN <= newest

    def called(role: object) -> str:
        return (roles or {}).get(str(role), str(role))

    found = {}
    for fact in facts:
        unsaid = _SINCE.get(fact.kind, {})
        said: dict[str, object] = {
            name: value
            for name, value in properties(fact.definition).items()
            if name not in unsaid or not (unsaid[name] == 0 or oldest < unsaid[name] <= newest)
        }
        identity = fact.identity
        if fact.kind == "default privileges":
            who, space, what = identity.partition(" ")
            identity = f"{called(who)}{space}{what}"
        if fact.kind == "default privileges" or fact.kind.startswith("grants on "):
            lists = {called(role): json.loads(str(listed)) for role, listed in said.items()}
            if without_maintain:
                lists = {
                    role: [each for each in listed if not each.startswith("MAINTAIN")]
                    for role, listed in lists.items()
                }
            said = {role: listed for role, listed in lists.items() if listed}
        elif "owner" in said:
            said["owner"] = called(said["owner"])
        if fact.kind != SERVER:
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
