"""A database with one of everything, and a change to each thing that DDL can change."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import NamedTuple

import psycopg

from tests.conftest import Database
from tillroll.migrate import extract
from tillroll.migrate.facts.extract import QUERIES
from tillroll.migrate.facts.scope import SCOPE

HERE = Path(__file__).parent
BASE = (HERE / "base.sql").read_text()
REFERENCE = ("s.kinds",)


class Change(NamedTuple):
    """DDL that must move facts.

    Attributes:
        kind: Of a fact that must be among those that move.
        text: What is run.
        first: What is run before, and belongs to the database that is compared with.
        since: The oldest Postgres that knows it.
    """

    kind: str
    text: str
    first: str
    since: int


def _read_changes() -> list[Change]:
    changes = []
    kind = ""
    text = (HERE / "changes.txt").read_text()
    for line in re.sub(r"\n +", " ", text).split("\n"):
        if line.startswith("== "):
            kind = line[3:]
        elif line and not line.startswith("#"):
            since = re.match(r"\[(\d+)\] ", line)
            *first, last = line[since.end() if since else 0 :].split(" --> ")
            changes.append(Change(kind, last, "".join(first), int(since[1]) if since else 15))
    return changes


CHANGES = _read_changes()

Seen = dict[str, tuple[object, ...]]


class Loaded(NamedTuple):
    """A database with one of everything, and what was seen in it."""

    conn: psycopg.Connection
    major: int
    seen: dict[tuple[str, str], Seen]

    def see(self, kind: str) -> Seen:
        """Read the facts of one kind."""
        if kind == "row":
            rows = (fact for fact in extract(self.conn, REFERENCE) if fact.kind == "row")
            return {fact.identity: (fact.definition,) for fact in rows}
        query = (SCOPE + QUERIES[kind]).encode()
        return {row[2]: row for row in self.conn.execute(query).fetchall()}

    def run(self, text: str) -> psycopg.Cursor:
        name = f'"{self.conn.info.dbname}"'
        return self.conn.execute(text.replace("{database}", name).encode())


def make_tablespace(database: Database) -> None:
    with database.connect("supabase_admin") as admin:
        admin.execute("set allow_in_place_tablespaces = on")
        with contextlib.suppress(psycopg.errors.DuplicateObject):
            admin.execute("create tablespace tillroll_elsewhere location ''")
