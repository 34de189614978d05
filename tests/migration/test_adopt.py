"""Taking over a database that others have made: only where files are proven to make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cluster, Database
from tests.migration.conftest import Write
from tests.migration.test_up import has, rows
from tillroll.migrate import Adoption, HistoryDivergent, Runner, UsageError, adopt

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
    for options in ({}, {"through": SECOND}, {"baseline": "start"}):
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


def test_a_baseline_holds_triggers_on_tables_of_the_platform(
    made: Database, newest: Cluster, tmp_path: Path
) -> None:
    result = take(made, tmp_path / "m", baseline="start", dry_run=True)
    assert not (tmp_path / "m").exists()
    with made.connect("supabase_admin") as conn:
        conn.execute("alter table auth.users owner to supabase_auth_admin")
    assert result.drift == (), [str(each) for each in result.drift]
