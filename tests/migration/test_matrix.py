"""The authorization matrix says what happens when a role tries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import errors as pg
from typer.testing import CliRunner

from tests.conftest import ROOT, Cluster, cluster_of
from tests.migration.conftest import Write
from tillroll.cli.migrate import app
from tillroll.migrate import matrix
from tillroll.migrate.access import as_roles
from tillroll.migrate.matrix import compare_matrices
from tillroll.migrate.rights import Facts, read_rights

PLATFORM = ROOT / "sql" / "platform"
SCHEMA = Path(__file__).with_name("matrix.sql")
ROLES = ("anon", "authenticated", "service_role", "authenticator", "public", "clerk", "stranger")
COLUMNS = ("id", "n", "note")
ROWS = 4
RELATIONS = """
    select case c.relkind when 'v' then 'view ' when 'm' then 'materialized view ' else 'table ' end
        || c.oid::regclass
    from pg_class as c
    where c.relnamespace in ('app'::regnamespace, 'hidden'::regnamespace)
        and c.relkind in ('r', 'p', 'v', 'm')
"""


VERBS = ("select", "insert", "update", "delete")
FUNCTIONS = [
    ("function app.free()", "select", "app.free()"),
    ("function app.kept_from_anon()", "select", "app.kept_from_anon()"),
    ("function hidden.unreachable()", "select", "hidden.unreachable()"),
    ("function app.refused(integer)", "select", "app.refused(1)"),
    ("function app.as_owner()", "select", "app.as_owner()"),
    ("procedure app.done()", "call", "app.done()"),
]
NO_COLUMN = -1  # of a view, that cannot be written to, whoever tries


@dataclass(frozen=True)
class World:
    """A database with rows, and the matrix of another one with the same migrations."""

    conn: psycopg.Connection  # a superuser's
    facts: dict[str, dict[str, dict[str, str]]]

    def attempt(self, role: str, statement: str) -> int | None:
        """Run a statement as a role and undo it; return the rows touched, None where refused."""
        try:
            with self.conn.transaction(force_rollback=True):
                # A role that was granted nothing stands for PUBLIC.
                name = "nobody" if role == "public" else role
                self.conn.execute(f"set local session authorization {name}")
                return self.conn.execute(statement).rowcount
        except (pg.InsufficientPrivilege, pg.ObjectNotInPrerequisiteState, pg.WrongObjectType):
            return None
        except pg.FeatureNotSupported:
            return NO_COLUMN

    def may(self, thing: str, aspect: str, role: str) -> bool:
        return role in self.facts.get(thing, {}).get(aspect, {})

    def names(self, query: str) -> list[str]:
        return [row[0] for row in self.conn.execute(query).fetchall()]


@pytest.fixture(scope="module", params=["15", "18"], ids="pg{}".format)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    cluster = cluster_of(request.param)
    folder = tmp_path_factory.mktemp("matrix")
    (folder / "20260101000001_all.sql").write_text(SCHEMA.read_text())
    database = cluster.database("bare")
    with psycopg.connect(database.dsn("supabase_admin"), autocommit=True) as admin:
        admin.execute(
            "create role staff; create role clerk in role staff; create role nobody;"
            "create role stranger noinherit in role staff; grant staff to postgres"
        )
        admin.execute("set role postgres")
        admin.execute(SCHEMA.read_text())
    lock = folder / "authorization.json"
    matrix(folder, lock, roles=ROLES, platform=PLATFORM, db_url=cluster.server.dsn(), write=True)
    with psycopg.connect(database.dsn("supabase_admin"), autocommit=True) as conn:
        yield World(conn, json.loads(lock.read_text()))
    cluster.drop(database)
    with psycopg.connect(cluster.server.dsn(), autocommit=True) as admin:
        admin.execute("drop role clerk, nobody, stranger, staff")


@pytest.mark.parametrize("role", ROLES)
def test_each_cell_of_a_relation_is_what_happens(world: World, role: str) -> None:
    told, seen = {}, {}
    for thing in world.names(RELATIONS):
        relation = thing.split()[-1]
        for verb in VERBS:
            tried = {
                column: [world.attempt(role, each) for each in statements(relation, verb, column)]
                for column in COLUMNS
            }
            tried = {column: rows for column, rows in tried.items() if NO_COLUMN not in rows}
            worked = [column for column in tried if any(tried[column])]
            if worked:
                rows = sum(each or 0 for each in tried["n" if "n" in worked else worked[0]])
                level = {ROWS: "all rows", ROWS // 2: "policy"}[rows]
                seen[thing, verb] = (level, worked)
            cell = world.facts.get(thing, {}).get(verb, {}).get(role)
            if cell is not None and cell != "none":
                level, _, columns = cell.partition(" (")
                level = "all rows" if level == "trigger" else level
                named = columns.rstrip(")").split(", ") if columns else list(tried)
                told[thing, verb] = (level, named)
            elif cell == "none" and verb != "insert":
                # No error: there is just no row.
                assert tried["n"] == [0]
    assert told == seen


def statements(relation: str, verb: str, column: str) -> tuple[str, ...]:
    """What tries a verb on one column of all four rows; an insert of n tries each value."""
    if verb == "insert":
        values = range(ROWS) if column == "n" else ["default"]
        return tuple(f"insert into {relation} ({column}) values ({value})" for value in values)
    return {
        "select": (f"select {column} from {relation}",),
        "update": (f"update {relation} set {column} = {'0' if column == 'n' else 'default'}",),
        "delete": (f"delete from {relation}",),
    }[verb]


@pytest.mark.parametrize("role", ROLES)
def test_every_other_cell_is_what_happens(world: World, role: str) -> None:
    tried = [(thing, "execute", f"{how} {name}") for thing, how, name in FUNCTIONS]
    for name in ("app.numbers", "app.counted", "hidden.numbers"):
        thing = f"sequence {name}"
        tried.append((thing, "select", f"select last_value from {name}"))
        tried.append((thing, "update", f"select setval('{name}', 1)"))
        tried.append((thing, "usage", f"select nextval('{name}')"))
    tried += [
        ("schema app", "create", "create table app.t ()"),
        ("schema hidden", "create", "create table hidden.t ()"),
        ("schema public", "create", "create table public.t ()"),
        ("table app.plain", "truncate", "truncate app.plain"),
        ("table hidden.secret", "truncate", "truncate hidden.secret"),
        ("view app.opened", "truncate", "truncate app.opened"),
    ]
    told = {(thing, verb) for thing, verb, _ in tried if world.may(thing, verb, role)}
    # `nextval` goes by either of two rights.
    told |= {(thing, "usage") for thing, verb in told if verb == "update"}
    seen = {
        (thing, verb)
        for thing, verb, statement in tried
        if world.attempt(role, statement) is not None
    }
    assert told == seen


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_become_what_the_matrix_says(world: World, role: str) -> None:
    others = set(world.names("select rolname from pg_roles where rolname !~ '^pg_'"))
    others -= {role, "nobody"}
    seen = {each for each in others if world.attempt(role, f"set local role {each}") is not None}
    assert {each for each in others if world.may(f"role {role}", "may become", each)} == seen


BASE = """
create schema app;
grant usage on schema app to anon, authenticated;
create table app.notes (id int, n int, owner text);
alter table app.notes enable row level security;
create policy own on app.notes using (owner = current_user);
create policy positive on app.notes as restrictive using (n > 0);
create policy ranged on app.notes for update using (n > 0) with check (n > 1);
grant select on app.notes to authenticated;
grant select (id) on app.notes to anon;
create table app.open (id int);
grant select on app.open to authenticated;
create view app.mine with (security_invoker = on) as select t.id, t.n from app.notes as t;
create view app.ids as select t.id from app.notes as t;
grant select on app.mine, app.ids to authenticated;
alter default privileges revoke execute on functions from public;
create function app.plain() returns int language sql as 'select 1';
create function app.pinned() returns int language sql security definer set search_path = ''
    as 'select 1';
create function app.unpinned() returns int language sql security definer as 'select 1';
grant execute on function app.plain, app.pinned, app.unpinned to authenticated;
"""
WIDENED = {
    "grant select on app.notes to anon": ("table app.notes", "select", "anon"),
    "grant select (n) on app.notes to anon": ("table app.notes", "select", "anon"),
    "grant insert on app.notes to authenticated": ("table app.notes", "insert", "authenticated"),
    "alter table app.notes disable row level security": (
        *("table app.notes", "select", "authenticated"),
    ),
    "create policy more on app.notes for select using (n = 1)": (
        *("table app.notes", "policies", "more"),
    ),
    "alter policy positive on app.notes using (n > -1)": (
        "table app.notes",
        "policies",
        "positive",
    ),
    "alter policy own on app.notes using (n = 1)": ("table app.notes", "policies", "own"),
    "drop policy ranged on app.notes; create policy ranged on app.notes for update using (n > 0)": (
        *("table app.notes", "policies", "ranged"),
    ),
    "drop policy positive on app.notes": ("table app.notes", "policies", "positive"),
    "drop policy positive on app.notes; create policy every on app.notes using (true)": (
        *("table app.notes", "select", "authenticated"),
    ),
    "grant execute on function app.plain to anon": ("function app.plain()", "execute", "anon"),
    "alter function app.plain security definer": ("function app.plain()", "runs", "as"),
    "alter function app.pinned reset search_path": ("function app.pinned()", "runs", "as"),
    "alter view app.mine reset (security_invoker)": ("view app.mine", "select", "authenticated"),
    "alter view app.mine set (security_invoker = off)": (
        *("view app.mine", "opens as postgres", "app.notes"),
    ),
    "create or replace view app.ids as select t.id, t.n from app.notes as t": (
        *("view app.ids", "opens as postgres", "app.notes"),
    ),
    "grant create on schema app to authenticated": ("schema app", "create", "authenticated"),
    "alter role anon bypassrls": ("table app.notes", "select", "anon"),
    "alter role authenticated bypassrls": ("table app.notes", "select", "authenticated"),
    "grant service_role to anon": ("role anon", "may become", "service_role"),
    "alter default privileges in schema app grant select on tables to anon; "
    "create table app.more (id int)": ("table app.more", "select", "anon"),
    "create table app.more (id int); grant select on app.more to anon": (
        *("table app.more", "select", "anon"),
    ),
}
NARROWED = {
    "revoke select on app.open from authenticated": ("table app.open", "select", "authenticated"),
    "drop table app.open": ("table app.open", "select", "authenticated"),
    "revoke usage on schema app from anon": ("table app.notes", "select", "anon"),
    "alter table app.open enable row level security": ("table app.open", "select", "authenticated"),
    "drop policy own on app.notes": ("table app.notes", "policies", "own"),
    "create policy few on app.notes as restrictive using (n = 1)": (
        *("table app.notes", "policies", "few"),
    ),
    "revoke select on app.notes from authenticated; "
    "grant select (id, n) on app.notes to authenticated": (
        *("table app.notes", "select", "authenticated"),
    ),
    "alter function app.pinned security invoker": ("function app.pinned()", "runs", "as"),
    "alter function app.unpinned set search_path = ''": ("function app.unpinned()", "runs", "as"),
    "alter view app.ids set (security_invoker)": (
        *("view app.ids", "opens as postgres", "app.notes"),
    ),
    "revoke execute on function app.plain from authenticated": (
        *("function app.plain()", "execute", "authenticated"),
    ),
}
SAME = (
    "comment on table app.notes is 'notes'; create index on app.notes (n)",
    "create or replace function app.plain() returns int language sql as 'select 2'",
    "create table app.private (id int); alter table app.private enable row level security",
    "alter table app.notes add column more text",
)


@pytest.fixture(scope="module")
def base() -> Iterator[psycopg.Connection]:
    cluster = cluster_of("18")
    database = cluster.database("bare")
    with psycopg.connect(database.dsn("supabase_admin"), autocommit=True) as conn:
        conn.execute("set role postgres")
        conn.execute(BASE)
        yield conn
    cluster.drop(database)


def rights(conn: psycopg.Connection) -> Facts:
    with as_roles(conn, ["anon", "authenticated", "public"]) as roles:
        return read_rights(conn, roles, frozenset(("auth",)))


def effects(conn: psycopg.Connection, change: str) -> dict[tuple[str, str, str], str]:
    """What a change does to the matrix, by cell; it is undone."""
    before = rights(conn)
    with conn.transaction(force_rollback=True):
        role = "supabase_admin" if "role" in change else "postgres"
        conn.execute(f"set local role {role}; {change}")
        found = compare_matrices(before, rights(conn))
        return {(each.object, each.aspect, each.item): each.effect for each in found}


@pytest.mark.parametrize(("change", "cell"), WIDENED.items(), ids=list(WIDENED))
def test_what_lets_somebody_do_more_widens(
    base: psycopg.Connection, change: str, cell: tuple[str, str, str]
) -> None:
    assert effects(base, change)[cell] == "widened"


@pytest.mark.parametrize(("change", "cell"), NARROWED.items(), ids=list(NARROWED))
def test_what_takes_something_away_only_narrows(
    base: psycopg.Connection, change: str, cell: tuple[str, str, str]
) -> None:
    found = effects(base, change)
    assert found[cell] == "narrowed"
    assert set(found.values()) == {"narrowed"}


@pytest.mark.parametrize("change", SAME)
def test_what_is_nobodys_right_is_not_in_the_matrix(base: psycopg.Connection, change: str) -> None:
    assert effects(base, change) == {}


def test_a_view_that_opens_a_table_says_so(world: World) -> None:
    assert world.facts["view app.opened"]["opens as postgres"] == {
        "hidden.secret": "all rows (id, n, note)"
    }
    assert "opens as postgres" not in world.facts["view app.as_caller"]


def test_what_a_trigger_decides_is_said_to_be_a_triggers(world: World) -> None:
    assert world.facts["view app.instead"]["insert"]["authenticated"] == "trigger"
    assert world.facts["view app.instead"]["select"]["authenticated"] == "all rows"


def test_a_role_that_loses_what_it_inherits_may_do_less() -> None:
    more = {"role a": {"may become": {"b": "yes, and has its rights"}}}
    less = {"role a": {"may become": {"b": "yes"}}}
    assert [each.effect for each in compare_matrices(more, less)] == ["narrowed"]
    assert [each.effect for each in compare_matrices(less, more)] == ["widened"]


def test_a_function_that_runs_as_its_owner_says_so(world: World) -> None:
    runs = {
        thing: aspects["runs"]["as"] for thing, aspects in world.facts.items() if "runs" in aspects
    }
    assert runs == {
        "function app.as_owner()": "postgres, search_path open",
        "function app.as_owner_pinned()": "postgres, search_path pinned",
    }


def test_a_lock_is_written_and_a_widening_is_not_written_unasked(
    write: Write, tmp_path: Path, newest: Cluster
) -> None:
    folder = write(BASE)
    lock = tmp_path / "sql" / "authorization.json"
    line = [
        *("matrix", "--json", "--dir", str(folder), "--lock", str(lock)),
        *("--platform", str(PLATFORM), "--shadow-url", newest.server.dsn()),
    ]

    def run(*more: str) -> int:
        result = CliRunner().invoke(app, [*line, *more])
        told.update(json.loads(result.stdout))
        return result.exit_code

    told: dict[str, object] = {}
    assert run() == 10
    assert not lock.exists()
    assert run("--write") == 0
    assert run() == 0
    first = lock.read_bytes()

    write("revoke select on app.open from authenticated;")
    assert run() == 10
    assert told["accepted"] is True
    assert run("--write") == 0

    write("grant select on app.open to authenticated;")
    assert (run(), told["accepted"]) == (10, False)
    assert run("--write") == 10
    assert lock.read_bytes() != first
    assert run("--accept-widening") == 10  # accepted, but not written
    assert run("--write", "--accept-widening") == 0
    assert lock.read_bytes() == first
    assert run("--role", "nobody_at_all") == 2
    lock.write_text('{"lock": "authorization 1", "table app.open": []}')
    assert run() == 2
    lock.write_text("[]")
    assert run() == 2


@pytest.mark.parametrize("version", ["15", "18"])
def test_the_committed_matrix_of_this_project_holds_on_each_postgres(version: str) -> None:
    result = matrix(
        ROOT / "supabase" / "migrations",
        ROOT / "sql" / "authorization.json",
        platform=PLATFORM,
        db_url=cluster_of(version).server.dsn(),
    )
    assert result.changes == ()
    assert result.agrees
