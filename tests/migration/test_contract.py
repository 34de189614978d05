"""The contract: each change that a client could notice is told, and how bad it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT, Cluster, cluster_of
from tests.migration.conftest import Write
from tillroll.cli.migrate import app
from tillroll.migrate import UsageError, contract, exposed_schemas
from tillroll.migrate.access import as_roles
from tillroll.migrate.contract.compare import compare_contracts
from tillroll.migrate.contract.reading import read_contract
from tillroll.migrate.contract.shapes import Contract
from tillroll.migrate.lockfile import Aspects

PLATFORM = ROOT / "sql" / "platform"
SCHEMA = Path(__file__).with_name("contract.sql")
ROLES = ("anon", "authenticated", "service_role")
ADD = "create function api.add"
STABLE = "language sql stable as 'select 1'"

# change: severity, code, object without its kind
CHANGES: dict[str, tuple[str, str, str]] = {
    # Functions: which are found.
    "drop function api.add": ("BREAKING", "no_candidate", "api.add"),
    f"drop function api.add; {ADD}(a integer, b integer, c integer default 2) returns integer "
    f"{STABLE}": ("BREAKING", "no_candidate", "api.add"),
    f"{ADD}(a integer, e integer default 1) returns integer {STABLE}": (
        *("BREAKING", "ambiguous", "api.add"),
    ),
    "drop function api.raw": ("BREAKING", "no_candidate", "api.raw"),
    "drop function api.two(integer); "
    "create function api.two(json) returns integer language sql as 'select 1'": (
        *("BREAKING", "no_candidate", "api.two"),
    ),
    "create function api.say(words text, tone text default 'low') returns text "
    "language sql stable as 'select words'": ("BREAKING", "ambiguous", "api.say"),
    "drop function api.say; create function api.say(words text, tone text default 'low') "
    "returns text language sql stable as 'select words'": ("INFO", "argument_added", "api.say"),
    # Arguments.
    "drop function api.say; create function api.say(words integer) returns text "
    "language sql stable as 'select 1::text'": ("BREAKING", "argument_type", "api.say"),
    f"drop function api.add; {ADD}(a bigint, b integer default 1, c integer default 2, "
    f"d text default 'x') returns integer {STABLE}": ("REVIEW", "argument_type", "api.add"),
    f"create or replace function api.add(a integer, b integer default 5, c integer default 2, "
    f"d text default 'x') returns integer {STABLE}": ("REVIEW", "default", "api.add"),
    "drop function api.joined; create function api.joined(words text[]) returns text "
    "language sql immutable as 'select words[1]'": ("BREAKING", "variadic", "api.joined"),
    # What they return.
    "drop function api.say; create function api.say(words text) returns integer "
    "language sql stable as 'select 1'": ("BREAKING", "returns", "api.say"),
    "drop function api.say; create function api.say(words text) returns setof text "
    "language sql stable as 'select words'": ("BREAKING", "returns", "api.say"),
    "drop function api.say; create function api.say(words text) returns uuid "
    "language sql stable as 'select null::uuid'": ("BREAKING", "returns", "api.say"),
    "drop function api.two(integer); create function api.two(a integer) returns bigint "
    "language sql as 'select 1::bigint'": ("REVIEW", "returns", "api.two"),
    "drop function api.put; create function api.put(item api.item) returns integer "
    "language sql volatile as 'select 1'": ("REVIEW", "returns", "api.put"),
    "drop function api.rows_of; create function api.rows_of(word text) returns table (id bigint) "
    "language sql stable as 'select 1'": ("BREAKING", "columns", "api.rows_of"),
    "drop function api.items; create function api.items(mood api.mood, low api.small default 1) "
    "returns table (id bigint, name text) language sql stable as 'select 1, null'": (
        *("BREAKING", "returns", "api.items"),
    ),
    # How they run.
    "alter function api.say volatile": ("BREAKING", "lost_get", "api.say"),
    "alter function api.put stable": ("REVIEW", "volatility", "api.put"),
    "alter function api.say security definer": ("SECURITY", "security", "api.say"),
    "alter function api.pinned security invoker": ("REVIEW", "security", "api.pinned"),
    "alter function api.pinned reset search_path": ("REVIEW", "settings", "api.pinned"),
    "alter function api.items set statement_timeout = '2s'": ("REVIEW", "settings", "api.items"),
    "alter function api.put set default_transaction_isolation = 'SERIALIZABLE'": (
        *("BREAKING", "isolation", "api.put"),
    ),
    "alter function api.put set default_transaction_isolation = 'read uncommitted'": (
        *("REVIEW", "settings", "api.put"),
    ),
    "revoke execute on function api.add from anon": ("BREAKING", "execute", "api.add"),
    "grant execute on function api.say to anon": ("SECURITY", "execute", "api.say"),
    # New ones.
    "create function api.more() returns integer language sql as 'select 1'": (
        *("INFO", "new", "api.more"),
    ),
    "create function api.more() returns integer language sql as 'select 1' ": (
        *("SECURITY", "rights", "api.more"),
    ),
    "create function api.more() returns integer language sql security definer as 'select 1'": (
        *("SECURITY", "security", "api.more"),
    ),
    # Relations.
    "drop table api.kinds cascade": ("BREAKING", "gone", "api.kinds"),
    "alter table api.kinds set schema hidden": ("BREAKING", "gone", "api.kinds"),
    "create table api.more (id int); alter table api.more enable row level security": (
        *("INFO", "new", "api.more"),
    ),
    "create table api.more (id int); grant select on api.more to authenticated": (
        *("SECURITY", "security", "api.more"),
    ),
    "alter table api.notes drop column stars": ("BREAKING", "columns", "api.notes"),
    "alter table api.notes rename column stars to points": ("BREAKING", "columns", "api.notes"),
    "alter table api.notes add column more text": ("INFO", "columns", "api.notes"),
    "alter table api.notes alter column stars type text": ("BREAKING", "columns", "api.notes"),
    "alter table api.notes alter column stars type smallint": ("BREAKING", "columns", "api.notes"),
    "alter table api.notes alter column stars type bigint": ("REVIEW", "columns", "api.notes"),
    "alter table api.notes alter column stars set not null": (
        *("BREAKING", "not_null", "api.notes"),
    ),
    "alter table api.kinds alter column name set not null": ("INFO", "not_null", "api.kinds"),
    "alter table api.notes alter column author drop not null": (
        *("REVIEW", "not_null", "api.notes"),
    ),
    "alter table api.notes alter column body drop default": (
        *("BREAKING", "required", "api.notes"),
    ),
    "alter table api.notes add column more text not null": ("BREAKING", "required", "api.notes"),
    "alter table api.notes disable row level security": ("SECURITY", "security", "api.notes"),
    "alter table api.notes force row level security": ("REVIEW", "security", "api.notes"),
    "alter view api.people reset (security_invoker)": ("SECURITY", "security", "api.people"),
    "revoke select on api.notes from authenticated": ("BREAKING", "select", "api.notes"),
    "revoke select on hidden.people from authenticated": ("BREAKING", "select", "api.people"),
    "revoke select (body) on api.notes from anon": ("BREAKING", "select", "api.notes"),
    "grant select (author) on api.notes to anon": ("SECURITY", "select", "api.notes"),
    "grant delete on api.notes to authenticated": ("SECURITY", "delete", "api.notes"),
    "grant update on hidden.people, api.people to authenticated": (
        *("SECURITY", "update", "api.people"),
    ),
    # Types.
    "alter type api.mood add value 'fair'": ("REVIEW", "labels", "api.mood"),
    "alter type api.mood rename value 'bad' to 'poor'": ("BREAKING", "labels", "api.mood"),
    "alter type api.item drop attribute name": ("BREAKING", "fields", "api.item"),
    "alter type api.item add attribute more text": ("INFO", "fields", "api.item"),
    "alter type api.item alter attribute id type integer": ("BREAKING", "fields", "api.item"),
    "alter type api.item alter attribute id type numeric": ("REVIEW", "fields", "api.item"),
    "alter domain api.small add check (value > 0)": ("BREAKING", "checks", "api.small"),
    "alter domain api.small drop constraint small_check": ("REVIEW", "checks", "api.small"),
    # Schemas.
    "revoke usage on schema api from anon": ("BREAKING", "usage", "api"),
    "grant usage on schema api to service_role": ("SECURITY", "usage", "api"),
    "alter schema api rename to other": ("BREAKING", "gone", "api"),
}
# change: all that is told
EXACTLY: dict[str, set[tuple[str, str, str]]] = {
    "alter table api.notes add column more text not null default ''": {
        ("INFO", "columns", "api.notes")
    },
    "create table api.more (id int)": {("INFO", "new", "api.more")},
    "alter table api.kinds alter column name type varchar(10)": {
        ("BREAKING", "columns", "api.kinds")
    },
    "alter function api.put set default_transaction_isolation = 'READ COMMITTED'": {
        ("REVIEW", "settings", "api.put")
    },
    "drop function api.items; create function api.items(mood api.mood, low integer default 1) "
    "returns setof api.item language sql stable set statement_timeout = '1s' "
    "as 'select 1, null::text, mood'; revoke execute on function api.items from public;"
    "grant execute on function api.items to authenticated": {
        ("REVIEW", "argument_type", "api.items"),
        ("INFO", "gone", "api.small"),
    },
}
SAME = (
    "comment on function api.add is 'adds'; comment on table api.notes is 'notes'",
    f"create or replace function api.add(a integer, b integer default 1, c integer default 2, "
    f"d text default 'x') returns integer {STABLE}",
    "create index on api.notes (body); create function hidden.f() returns int language sql "
    "as 'select 1'",
    "create function api.more() returns trigger language plpgsql as 'begin return new; end'",
    "drop function api.uncallable",
    "alter table hidden.people add column born date",
)


@pytest.fixture(scope="module")
def base() -> Iterator[psycopg.Connection]:
    cluster = cluster_of("18")
    database = cluster.database("bare")
    with psycopg.connect(database.dsn("supabase_admin"), autocommit=True) as conn:
        conn.execute("set role postgres")
        conn.execute(SCHEMA.read_text())
        yield conn
    cluster.drop(database)


def contract_of(conn: psycopg.Connection) -> Contract:
    with as_roles(conn, ROLES) as roles:
        return read_contract(conn, roles, ["api"])


def changes(conn: psycopg.Connection, change: str) -> set[tuple[str, str, str]]:
    """What a change does to the contract; it is undone."""
    before = contract_of(conn)
    with conn.transaction(force_rollback=True):
        conn.execute(change)
        after = contract_of(conn)
    found = compare_contracts(before, after)
    assert bool(found) == (before != after)
    return {(each.severity, each.code, each.object.split()[1]) for each in found}


@pytest.mark.parametrize(("change", "told"), CHANGES.items(), ids=list(CHANGES))
def test_each_change_is_told(
    base: psycopg.Connection, change: str, told: tuple[str, str, str]
) -> None:
    assert told in changes(base, change)


@pytest.mark.parametrize(("change", "told"), EXACTLY.items(), ids=list(EXACTLY))
def test_nothing_else_is_told(
    base: psycopg.Connection, change: str, told: set[tuple[str, str, str]]
) -> None:
    assert changes(base, change) == told


def test_an_argument_counts_for_the_calls_that_give_it_or_leave_it_out() -> None:
    def of(*functions: Aspects) -> Contract:
        return Contract({"api.f": [*functions]}, {}, {}, {})

    kinds = {"a": "text", "b": "text"}
    old = {"arguments": kinds, "defaults": {"b": "1"}}
    # (a) finds the first, (a, b) both.
    new = (
        {"arguments": {"a": "text", "b": "uuid"}, "defaults": {"b": "1"}},
        {"arguments": kinds},
    )
    assert {each.code for each in compare_contracts(of(old), of(*new))} == {"ambiguous"}
    # (a) finds both, (a, b) the second.
    new = (
        {"arguments": {"a": "text"}},
        {"arguments": kinds, "defaults": {"b": "2"}},
    )
    found = compare_contracts(of(old), of(*new))
    assert {each.code for each in found} == {"ambiguous", "new"}


def test_the_rows_of_a_relation_are_no_type_of_their_own(base: psycopg.Connection) -> None:
    found = contract_of(base)
    assert found.functions["api.person"][0]["is"]["returns"] == "api.people"
    assert set(found.types) == {"api.item", "api.mood", "api.small"}


@pytest.mark.parametrize("change", SAME)
def test_what_no_client_sees_is_no_change(base: psycopg.Connection, change: str) -> None:
    assert changes(base, change) == set()


def test_a_refused_call_is_shown_by_its_shortest_shape(base: psycopg.Connection) -> None:
    before = contract_of(base)
    with base.transaction(force_rollback=True):
        base.execute(
            "drop function api.add;"
            f"{ADD}(a integer, b integer, c integer default 2) returns integer {STABLE}"
        )
        found = compare_contracts(before, contract_of(base))
    (lost,) = (each for each in found if each.code == "no_candidate")
    # Of eight shapes those without b, and those with d.
    assert (lost.call, lost.calls) == (("a",), 6)


@pytest.fixture
def line(tmp_path: Path, newest: Cluster) -> list[str]:
    """The command with the options that all of its calls here have."""
    return [
        *("contract", "--json", "--platform", str(PLATFORM)),
        *("--shadow-url", newest.server.dsn(), "--lock", str(tmp_path / "sql" / "contract.json")),
    ]


def run(line: list[str], *more: object) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, [*line, *map(str, more)])
    return result.exit_code, json.loads(result.stdout)


def test_only_what_is_acknowledged_is_written(
    line: list[str], write: Write, tmp_path: Path
) -> None:
    line += ["--schema", "api", "--dir", str(write(SCHEMA.read_text()))]
    lock = tmp_path / "sql" / "contract.json"
    assert run(line)[0] == 10
    assert not lock.exists()
    assert run(line, "--write")[0] == 0
    assert run(line)[0] == 0
    first = lock.read_bytes()
    assert all(text == text.rstrip() for text in first.decode().splitlines())

    write("alter table api.notes add column more text;")
    code, told = run(line)
    assert (code, told["accepted"], told["changes"][0]["severity"]) == (10, True, "INFO")
    assert run(line, "--write")[0] == 0

    write("alter function api.say volatile; grant execute on function api.say to anon;")
    for acknowledged in ((), ("--accept-breaking",), ("--accept-security",)):
        second = lock.read_bytes()
        code, told = run(line, "--write", *acknowledged)
        assert (code, told["written"], lock.read_bytes()) == (10, False, second)
    assert run(line, "--accept-breaking", "--accept-security")[0] == 10
    assert run(line, "--write", "--accept-breaking", "--accept-security")[0] == 0
    assert run(line)[0] == 0

    # With the lock of a release.
    lock.write_bytes(first)
    code, told = run(line, "--accept-breaking")
    severities = [change["severity"] for change in told["changes"]]
    assert (code, told["accepted"]) == (10, False)
    assert severities == ["BREAKING", "SECURITY", "INFO"]


@pytest.mark.parametrize("text", ["", "[]", '{"lock": "contract 0"}', '{"lock": "contract 1"}'])
def test_what_is_no_lock_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UsageError):
        contract(tmp_path, tmp_path / "a.json", ["api"])


def test_the_exposed_schemas_are_those_of_the_config(
    line: list[str], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(
        "create schema api; create function api.f() returns int language sql as 'select 1'"
    )
    config = folder.parent / "config.toml"
    monkeypatch.chdir(folder)
    assert exposed_schemas(config) == ("public", "graphql_public")
    config.write_text('[api]\nschemas = ["api", "elsewhere"]\n')
    told = run(line)[1]
    assert (told["functions"], told["missing"]) == (1, ["elsewhere"])
    for text in ("[api]\nschemas = 1\n", "[api]\nschemas = [1]\n", "api = 1\n", "["):
        config.write_text(text)
        assert run(line)[0] == 2


@pytest.mark.parametrize("version", ["15", "18"])
def test_the_committed_contract_of_this_project_holds_on_each_postgres(version: str) -> None:
    result = contract(
        ROOT / "supabase" / "migrations",
        ROOT / "sql" / "contract.json",
        exposed_schemas(ROOT / "supabase" / "config.toml"),
        platform=PLATFORM,
        db_url=cluster_of(version).server.dsn(),
    )
    assert result.changes == ()
    assert result.agrees
