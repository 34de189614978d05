"""Taking over a database that others have made: only where files are proven to make it."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import PASSWORD, ROOT, Cluster, Database
from tests.migration.conftest import Write
from tests.migration.hosted import FIRST as KINDS
from tests.migration.hosted import HOSTED, PLATFORM
from tests.migration.hosted import SECOND as MORE
from tests.migration.test_command import run
from tests.migration.test_drift import write_platform
from tests.migration.test_up import has, rows
from tillroll.migrate import (
    Adoption,
    HistoryDivergent,
    LockContention,
    PartWay,
    Runner,
    Unfinished,
    UsageError,
    adopt,
    drift_since_last_up,
    history,
)
from tillroll.migrate.drift import compare_live

TABLES = """
create schema app;
create table app.t (id bigint generated always as identity primary key, n int not null);
alter table app.t enable row level security;
create policy own on app.t for select to authenticated using (true);
grant select on app.t to authenticated;
"""
FUNCTIONS = """
create function public.touch() returns trigger language plpgsql as $$
begin
    return new; -- as it is
end
$$;
create trigger touch before update on app.t for each row execute function public.touch();
create trigger signed_up after insert on auth.users
for each row execute function public.touch();
create view app.v with (security_invoker) as select t.id from app.t;
comment on view app.v is 'it''s; one';
"""
FIRST, SECOND = "20260101000001", "20260101000002"


@pytest.fixture
def made(newest: Cluster, bare: Database) -> Database:
    """A database with tables, functions and no history at all."""
    with bare.connect() as conn:
        conn.execute("set role postgres")
        conn.execute(TABLES)
    with bare.connect("supabase_admin") as conn:  # auth.users is not the owner's here
        conn.execute(FUNCTIONS)
        conn.execute("alter function public.touch() owner to postgres")
        conn.execute("alter view app.v owner to postgres")
    return bare


def take(database: Database, folder: Path, **options: Any) -> Adoption:
    url = database.server.dsn()
    return adopt(database.dsn(), folder, platform=ROOT / "sql/platform", shadow_url=url, **options)


def known(database: Database) -> list[tuple[str, str]]:
    with database.connect() as conn:
        return conn.execute(
            "select version, origin from supabase_migrations.runner_file order by 1"
        ).fetchall()


def test_a_database_of_the_cli_is_taken_over_once_its_files_are_proven(
    bare: Database, write: Write
) -> None:
    folder = write(TABLES, "create table app.u ();")
    Runner(bare.dsn(), folder).up()
    with bare.connect() as conn:
        conn.execute("drop table supabase_migrations.runner_file")
    before = rows(bare)
    write("create table app.pending ();")
    result = take(bare, folder)
    assert (result.known, result.marked, result.proven) == ((FIRST, SECOND), (), True)
    assert known(bare) == [(FIRST, "adopt"), (SECOND, "adopt")]
    assert rows(bare) == before
    assert take(bare, folder).known == (FIRST, SECOND)


def test_files_are_marked_as_applied_where_they_make_the_database(
    bare: Database, write: Write
) -> None:
    with bare.connect() as conn:
        conn.execute(TABLES)
    folder = write(TABLES, "create table app.later ();")
    result = take(bare, folder, through=FIRST)
    assert (result.marked, result.proven) == ((FIRST,), True)
    assert [file.name for file in Runner(bare.dsn(), folder).up().applied] == ["step2"]


@pytest.mark.parametrize(
    "change", ["alter table app.t add column m int", "drop policy own on app.t"]
)
def test_a_database_that_is_something_else_is_not_taken_over(
    bare: Database, write: Write, change: str
) -> None:
    with bare.connect() as conn:
        conn.execute(TABLES)
        conn.execute(change)
    result = take(bare, write(TABLES), through=FIRST)
    assert not result.proven
    assert result.drift
    assert not has(bare, "supabase_migrations.schema_migrations")


def test_a_dry_run_proves_and_writes_nothing(bare: Database, write: Write) -> None:
    with bare.connect() as conn:
        conn.execute(TABLES)
    assert take(bare, write(TABLES), through=FIRST, dry_run=True).proven
    assert not has(bare, "supabase_migrations.schema_migrations")


def test_what_cannot_be_adopted_is_refused(bare: Database, write: Write) -> None:
    folder = write(TABLES)
    for options in ({}, {"through": SECOND}, {"baseline": "start", "dry_run": True}):
        with pytest.raises(UsageError):
            take(bare, folder, **options)
    Runner(bare.dsn(), folder).up()
    (folder / f"{FIRST}_step1.sql").write_text("select 2;")
    with pytest.raises(HistoryDivergent):
        take(bare, folder)
    (folder / f"{FIRST}_step1.sql").unlink()
    with pytest.raises(HistoryDivergent):
        take(bare, folder)


def test_a_baseline_is_written_from_the_database_and_proven(
    empty: Database, tmp_path: Path
) -> None:
    with empty.connect() as conn:
        conn.execute(TABLES + 'create table public."Odd name" ("a""b" text default \'x;y\');')
        conn.execute("create extension pg_trgm schema public")
    folder = tmp_path / "supabase/migrations"
    result = take(empty, folder, baseline="start")
    assert result.proven, result.drift
    assert result.baseline is not None
    assert [path.name for path in folder.iterdir()] == [Path(result.baseline).name]
    assert Runner(empty.dsn(), folder).status().pending == 0
    assert known(empty)[0][1] == "adopt"


# The platform of a project that has more of it, and what of its own stands among that.
THERE = """
create schema if not exists extensions authorization postgres;
create table if not exists storage.parts (id int) partition by range (id);
create table if not exists storage.part partition of storage.parts for values from (1) to (2);
grant trigger on auth.users, storage.parts, storage.part to postgres;
alter default privileges for role postgres in schema public
    grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres in schema public
    grant all on functions to anon, authenticated, service_role;
do $$ begin
    if not exists (select from pg_roles where rolname = 'tillroll_other') then
        create role tillroll_other;
    end if;
end $$;
grant tillroll_other to postgres;
do $$ begin
    if not exists (select from pg_foreign_data_wrapper where fdwname = 'ours') then
        create foreign data wrapper ours;
    end if;
end $$;
grant usage on foreign data wrapper ours to postgres;
"""
BUILT_IN = """
do $$ begin
    if exists (select from pg_available_extensions where name = 'adminpack') then
        create extension adminpack; -- in pg_catalog
    end if;
end $$;
"""
ODD = r"""
create schema ext;
create extension citext schema ext;
comment on extension citext is 'so';
create publication mine for table app.t;
comment on publication mine is 'x';
create type app.pair as (a int, b int);
create function app.cast(app.pair) returns text language sql immutable as 'select 1::text';
create cast (app.pair as text) with function app.cast(app.pair);
alter default privileges for role postgres grant select on tables to anon;
create schema "Odd; Schema: -; Owner: supabase_admin";
create table "Odd; Schema: -; Owner: supabase_admin"."T; Type: ACL" (
    a text default 'ALTER x OWNER TO postgres' check (a <> 'x OWNER TO postgres'));
alter table "Odd; Schema: -; Owner: supabase_admin"."T; Type: ACL"
    add constraint "OWNER TO postgres" check (a <> 'ALTER x OWNER TO postgres;');
comment on table app.kinds is E'-- Name: x; Type: EXTENSION; Schema: -; Owner: -\n\\restrict y\n';
create function app.ends() returns int language plpgsql as
    E'begin\r\n  -- Name: x; Type: EXTENSION; Schema: -; Owner: -\n  return 1; -- \u2028\f\r\nend';
create table public."of two
lines" (a ext.citext);
create table public.closed ();
revoke all on public.closed from anon, authenticated;
create function public.closed() returns int language sql as 'select 1';
revoke all on function public.closed() from public, anon;
create server theirs foreign data wrapper ours options (host 'x');
create user mapping for postgres server theirs options (password 'not-a-secret');
grant create on schema app to tillroll_other;
create function app.theirs() returns int language sql security definer as 'select 1';
grant execute on function app.theirs() to anon;
alter function app.theirs() owner to tillroll_other;
create trigger parted before insert on storage.parts for each row execute function app.f();
grant execute on function app.theirs() to postgres;
create table app."-- Name: x; Type: EXTENSION; Schema: -; Owner: -" ();
revoke insert on app."-- Name: x; Type: EXTENSION; Schema: -; Owner: -" from postgres;
grant select on app."-- Name: x; Type: EXTENSION; Schema: -; Owner: -" to anon;
grant select on app.kinds to authenticated with grant option;
set role authenticated;
grant select on app.kinds to service_role;
reset role;
create materialized view app.unfilled as select 1 as a with no data;
refresh materialized view app.m;
"""


def test_a_baseline_carries_what_the_project_owns(cluster: Cluster, tmp_path: Path) -> None:
    platform = write_platform(tmp_path / "platform")
    (platform / "91_there.sql").write_text(THERE)
    live = cluster.database("bare")
    try:
        with live.connect("supabase_admin") as conn:
            conn.execute(
                (
                    PLATFORM + THERE + HOSTED.replace("schema ext", "schema if not exists ext", 1)
                ).encode()
            )
            conn.execute("create policy theirs on auth.users using (true)")
            conn.execute("create materialized view storage.m as select 1 as a")
            conn.execute("create extension pg_stat_statements schema extensions")
            conn.execute(BUILT_IN)
        with live.connect() as conn:
            for text in (KINDS, MORE, ODD):
                conn.execute(text.encode())
        url = live.server.dsn()
        result = adopt(
            live.dsn(), tmp_path / "m", platform=platform, shadow_url=url, baseline="start"
        )
        assert result.drift == (), [str(each) for each in result.drift]
        assert result.baseline is not None
        text = Path(result.baseline).read_bytes().decode()
        assert "not-a-secret" not in text
        assert "messages" not in text
        assert "\r\n" in text
        assert "COMMENT ON EXTENSION citext" in text
        assert "COMMENT ON EXTENSION pg_trgm" not in text  # whose owner is the platform
        assert "pg_stat_statements" not in text
        assert "SESSION AUTHORIZATION" not in text  # which takes a superuser
    finally:
        cluster.drop(live)
        with Database(cluster.server, "postgres").connect("supabase_admin") as conn:
            conn.execute("drop role tillroll_other")


def test_a_baseline_makes_what_was_closed_closed_in_a_new_project(
    bare: Database, tmp_path: Path
) -> None:
    """A new project has default privileges that this one has given up."""
    opened = "".join(
        f"alter default privileges for role postgres in schema public grant all on {what} "
        "to anon, authenticated, service_role;"
        for what in ("tables", "sequences", "functions")
    )
    platform = write_platform(tmp_path / "platform")
    (platform / "91_open.sql").write_text(opened)
    with bare.connect() as conn:
        conn.execute(
            "create table public.a (); create sequence public.b; "
            "create function public.c() returns int language sql as 'select 1'"
        )
    result = adopt(
        bare.dsn(),
        tmp_path / "m",
        platform=platform,
        shadow_url=bare.server.dsn(),
        baseline="start",
        dry_run=True,
    )
    assert result.drift == (), [str(each) for each in result.drift]


def test_a_baseline_is_of_whoever_migrates(newest: Cluster, tmp_path: Path) -> None:
    live = newest.database("bare")
    try:
        with live.connect("supabase_admin") as conn:
            conn.execute(
                f"create role tillroll_alice login bypassrls password '{PASSWORD}';"
                "grant postgres, anon, authenticated, service_role to tillroll_alice;"
                f'alter database "{live.name}" owner to tillroll_alice'
            )
        dsn = live.server.dsn(live.name, "tillroll_alice", PASSWORD)
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(KINDS.encode())
        url = live.server.dsn()
        result = adopt(
            dsn, tmp_path / "m", platform=ROOT / "sql/platform", shadow_url=url, baseline="start"
        )
    finally:
        newest.drop(live)
        with Database(newest.server, "postgres").connect("supabase_admin") as conn:
            conn.execute("drop role tillroll_alice")
    told = [str(each) for each in result.drift if each.kind not in {"database"}]
    assert told == []


def test_a_baseline_gives_away_what_is_anothers(bare: Database, tmp_path: Path) -> None:
    with bare.connect() as conn:
        conn.execute(
            "grant create on schema public to authenticated; create table public.theirs ();"
            "alter table public.theirs owner to authenticated"
        )
    assert take(bare, tmp_path / "m", baseline="start", dry_run=True).drift == ()
    with bare.connect("supabase_admin") as conn:
        conn.execute("create type public.theirs_too as enum ()")
    told = take(bare, tmp_path / "m", baseline="start").drift
    assert {each.kind for each in told} == {"type", "grants on type"}


def test_a_setting_cannot_be_in_a_baseline(bare: Database, tmp_path: Path) -> None:
    with bare.connect() as conn:
        conn.execute(f'alter database "{bare.name}" set work_mem = 5000')
    result = run(
        *("adopt", "--db-url", bare.dsn(), "--dir", tmp_path / "m", "--baseline", "start"),
        *("--shadow-url", bare.server.dsn(), "--platform", ROOT / "sql/platform"),
    )
    assert result.exit_code == 4
    assert not (tmp_path / "m").exists()
    assert not has(bare, "supabase_migrations.schema_migrations")


@pytest.mark.parametrize("service", ["here", "elsewhere"])
def test_the_dump_is_of_where_the_connection_leads(
    bare: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    """The environment counts as it does for the connection: a service stands below the URL."""
    with bare.connect() as conn:
        conn.execute("create table public.here ()")
    server = bare.server
    at = f"host=127.0.0.1\nport={server.port}\n"
    (tmp_path / "services").write_text(
        f"[here]\n{at}dbname={bare.name}\n[elsewhere]\n{at}dbname=nowhere\nuser=nobody\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSERVICE", service)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    dsn = "user=postgres" + ("" if service == "here" else f" dbname={bare.name}")
    result = adopt(
        dsn,
        tmp_path / "m",
        platform=ROOT / "sql/platform",
        shadow_url=server.dsn(),
        baseline="start",
    )
    assert result.baseline is not None
    assert "public.here" in Path(result.baseline).read_text()


Meanwhile = Callable[[Callable[[], object]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Something that happens while it is proven."""
    module = sys.modules["tillroll.migrate.adopt"]

    def put(happens: Callable[[], object]) -> None:
        def compare(*arguments: Any) -> Any:
            happens()
            return compare_live(*arguments)

        monkeypatch.setattr(module, "compare_live", compare)

    return put


def test_what_was_proven_is_what_is_written_down(
    bare: Database, write: Write, meanwhile: Meanwhile
) -> None:
    with bare.connect() as conn:
        conn.execute(TABLES)
    file = write(TABLES) / f"{FIRST}_step1.sql"
    meanwhile(lambda: file.write_text("create table app.edited ();"))
    assert take(bare, file.parent, through=FIRST).proven
    assert [each.state for each in Runner(bare.dsn(), file.parent).status().files] == ["edited"]


def test_a_baseline_is_not_written_where_somebody_was_faster(
    bare: Database, tmp_path: Path, meanwhile: Meanwhile
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / f"{FIRST}_a.sql").write_text("select 1;")
    meanwhile(lambda: Runner(bare.dsn(), other).up())
    with pytest.raises(UsageError):
        take(bare, tmp_path / "m", baseline="start")
    assert not (tmp_path / "m").exists()
    assert [row[0] for row in rows(bare)] == [FIRST]


def test_there_is_no_baseline_without_its_history(bare: Database, tmp_path: Path) -> None:
    with bare.connect() as conn:
        history.make(conn)
        conn.execute("begin")
        history.lock(conn)
        with pytest.raises(LockContention):
            take(bare, tmp_path / "m", baseline="start", wait=0.1)
        conn.execute(
            "alter table supabase_migrations.schema_migrations add check (name <> 'start'); commit"
        )
    with pytest.raises(psycopg.errors.CheckViolation):
        take(bare, tmp_path / "m", baseline="start")
    assert not (tmp_path / "m").exists()


def test_there_is_no_history_without_its_baseline(
    bare: Database, tmp_path: Path, meanwhile: Meanwhile
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        take(bare, tmp_path / "file" / "m", baseline="start")
    assert not has(bare, "supabase_migrations.schema_migrations")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(bytes_: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, unlimited[1]))

    meanwhile(lambda: limit(10))
    try:
        with pytest.raises(UsageError):
            take(bare, tmp_path / "m", baseline="start")
    finally:
        limit(unlimited[0])
    assert list((tmp_path / "m").iterdir()) == []
    assert not has(bare, "supabase_migrations.schema_migrations")


def test_a_file_that_is_part_way_is_finished_first(bare: Database, write: Write) -> None:
    folder = write("vacuum public.nope;", "select 1;")
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    with pytest.raises(Unfinished):
        take(bare, folder, through=SECOND)


def test_what_is_ours_already_stays_as_it_is(bare: Database, write: Write) -> None:
    folder = write(TABLES, "create table app.u ();")
    Runner(bare.dsn(), folder).up()
    with bare.connect() as conn:
        conn.execute(
            "delete from supabase_migrations.runner_file where version = '20260101000001';"
            "update supabase_migrations.runner_file set facts_after = null"
        )
    take(bare, folder)
    assert known(bare) == [(FIRST, "adopt"), (SECOND, "up")]
    assert not drift_since_last_up(bare.dsn()).drifted


def test_a_baseline_holds_triggers_on_tables_of_the_platform(
    made: Database, newest: Cluster, tmp_path: Path
) -> None:
    result = take(made, tmp_path / "m", baseline="start", dry_run=True)
    assert not (tmp_path / "m").exists()
    with made.connect("supabase_admin") as conn:
        conn.execute("alter table auth.users owner to supabase_auth_admin")
    assert result.drift == (), [str(each) for each in result.drift]
