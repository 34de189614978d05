"""No command, no form of ALTER TABLE and no property of a fact is forgotten by the changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest
from postgast import pg_query_pb2 as pb

from tests.conftest import cluster_of
from tests.migration.ddl import BASE, CHANGES, HERE, Loaded, Seen, make_tablespace
from tillroll.migrate import extract
from tillroll.migrate.facts.extract import QUERIES
from tillroll.migrate.facts.grants import GRANTS
from tillroll.migrate.parser import parse
from tillroll.server import find_binaries

# What leaves no trace, and why; by the tag that Postgres gives it.
UNSEEN = {
    "there is no such command": (
        *("ALTER CAST", "ALTER CONSTRAINT", "ALTER TRANSFORM", "CREATE CONSTRAINT"),
        *("CREATE ROUTINE", "DROP CONSTRAINT", "ALTER ACCESS METHOD"),
    ),
    "it moves rows or reads them": (
        *("COPY", "COPY FROM", "DELETE", "EXECUTE", "EXPLAIN", "FETCH", "INSERT", "MERGE", "MOVE"),
        *("SELECT", "SELECT FOR KEY SHARE", "SELECT FOR NO KEY UPDATE", "SELECT FOR SHARE"),
        *("SELECT FOR UPDATE", "TRUNCATE TABLE", "UPDATE", "ALTER LARGE OBJECT"),
    ),
    "it is the session's or the transaction's": (
        *("CLOSE", "CLOSE CURSOR", "CLOSE CURSOR ALL", "COMMIT PREPARED", "DEALLOCATE"),
        *("DEALLOCATE ALL", "DECLARE CURSOR", "DISCARD", "DISCARD ALL", "DISCARD PLANS"),
        *("DISCARD SEQUENCES", "DISCARD TEMP", "LOAD", "LOCK TABLE", "LOGIN", "NOTIFY"),
        *("PREPARE TRANSACTION", "RESET", "ROLLBACK", "ROLLBACK PREPARED", "SET"),
        *("SET CONSTRAINTS", "SHOW", "START TRANSACTION", "UNLISTEN"),
    ),
    "all databases of a server share it": (
        *("ALTER SYSTEM", "ALTER TABLESPACE", "CREATE TABLESPACE", "DROP TABLESPACE"),
        *("CREATE ROLE", "DROP ROLE", "GRANT ROLE", "REVOKE ROLE"),
        *("CREATE DATABASE", "DROP DATABASE"),
    ),
    "it changes how things are stored, not what they are": (
        *("ANALYZE", "CHECKPOINT", "REINDEX", "VACUUM"),
    ),
    "Postgres answers SELECT; both are among the changes": ("CREATE TABLE AS", "SELECT INTO"),
    "what it does is seen by what it runs": ("DO",),
    "no wrapper here can be asked; it makes foreign tables": ("IMPORT FOREIGN SCHEMA",),
    "no provider is here to take it; a row is put in by hand": ("SECURITY LABEL",),
}
UNSEEN_SUBTYPES = {
    "Postgres makes it while it runs another": (
        *("AT_AddColumnToView", "AT_CookedColumnDefault", "AT_AddIndex", "AT_ReAddIndex"),
        *("AT_ReAddConstraint", "AT_ReAddDomainConstraint", "AT_ReAddComment"),
        *("AT_ReAddStatistics", "AT_ReplaceRelOptions", "AT_AddIndexConstraint"),
    ),
    "it has done nothing since Postgres 12": ("AT_DropOids",),
}


class Tried(NamedTuple):
    """What Postgres answered to all changes, and which properties of facts they moved."""

    known: set[str]
    tags: set[str | None]
    told: set[str]
    moved: set[str]


@pytest.fixture(scope="module")
def tried() -> Iterator[Tried]:
    cluster = cluster_of("18")
    database = cluster.database("bare")
    make_tablespace(database)
    program = (find_binaries() / "postgres").read_bytes()
    words = set(re.findall(rb"(?<![A-Za-z])([A-Z]+(?: [A-Z]+)*)\x00", program))
    found = Tried(set(), set(), set(), set())
    with psycopg.connect(database.dsn("supabase_admin")) as conn:
        conn.execute(BASE.encode())
        extract(conn)
        conn.commit()
        found.known.update(word.decode() for word in words if _is_tag(conn, word.decode()))
        at = Loaded(conn, 18, {})
        for change in CHANGES:
            cursor = at.run(change.first or "select")
            found.tags.update(_answers(cursor))
            before = at.see(change.kind)
            found.tags.update(_answers(at.run(change.text)))
            if change.kind in QUERIES and change.kind not in GRANTS:
                _note(change.kind, before, at.see(change.kind), found)
            conn.rollback()
    yield found
    cluster.drop(database)


def test_every_command_that_postgres_knows_is_tried_or_leaves_no_trace(tried: Tried) -> None:
    unseen = {tag for tags in UNSEEN.values() for tag in tags}
    assert tried.known - tried.tags - unseen == set()
    assert unseen - tried.known == set()


def test_every_property_of_a_fact_is_moved_by_some_change(tried: Tried) -> None:
    expected = set()
    for line in (HERE / "properties.txt").read_text().splitlines():
        kind, _, names = line.partition(": ")
        expected |= {f"{kind}: {name}" for name in names.split(", ") if name}
    assert tried.told == expected
    assert tried.moved == expected


def test_every_form_of_alter_table_is_tried_or_leaves_no_trace() -> None:
    tried = set()
    for change in CHANGES:
        if change.since < 18:  # the parser is that of 17
            for statement in parse(
                f"{change.first or 'select'}; {change.text}".replace("{database}", "d"), "it"
            ):
                if statement.kind == "alter_table_stmt":
                    tried |= {each.alter_table_cmd.subtype for each in statement.node.cmds}
    unseen = {name for names in UNSEEN_SUBTYPES.values() for name in names}
    left = {pb.AlterTableType.Value(name) for name in unseen} | tried | {0}
    assert {name for name, number in pb.AlterTableType.items() if number not in left} == set()


def _answers(cursor: psycopg.Cursor) -> set[str | None]:
    tags = {cursor.statusmessage}
    while cursor.nextset():
        tags.add(cursor.statusmessage)
    return tags


def _note(kind: str, before: Seen, after: Seen, found: Tried) -> None:
    for identity, row in after.items():
        properties = row[3]
        assert isinstance(properties, dict)
        found.told.update(f"{kind}: {name}" for name in properties)
        old = before[identity][3] if identity in before else properties
        assert isinstance(old, dict)
        moved = (name for name in properties if properties[name] != old.get(name))
        found.moved.update(f"{kind}: {name}" for name in moved)


def _is_tag(conn: psycopg.Connection, word: str) -> bool:
    with conn.transaction(force_rollback=True):
        try:
            conn.execute(
                f"create event trigger known on ddl_command_start when tag in ('{word}') "
                "execute function s.ev()".encode()
            )
        except psycopg.errors.FeatureNotSupported:
            return True
        except psycopg.errors.SyntaxError:
            return False
        return True
