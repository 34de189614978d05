"""What a file leaves in its session is not for the next one, nor for others behind a pooler."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import Database
from tests.migration.conftest import Write
from tests.migration.test_concurrency import pooler
from tests.migration.test_stepwise import DIRECTIVE, column, execute
from tests.migration.test_up import has, rows
from tests.reliability.pgbouncer import TRANSACTION, Pgbouncer
from tillroll.migrate import (
    AppliedFile,
    HistoryDivergent,
    MigrationFailed,
    Runner,
    Unfinished,
    UsageError,
    make_plan,
    repair,
)
from tillroll.migrate.files import read_folder

__all__ = ["pooler"]

# One by one, what the session would still have; and what tells that it has not.
LEFT = {
    "setting": ("set work_mem = '7MB'", "current_setting('work_mem') = '7MB'"),
    "own setting": ("set my.own = 'x'", "coalesce(current_setting('my.own', true), '') <> ''"),
    "role": ("set role anon", "current_user = 'anon'"),
    "temporary table": ("create temporary table t ()", "to_regclass('pg_temp.t') is not null"),
    "one of a trigger": (
        "insert into public.made values (1)",
        "to_regclass('pg_temp.t') is not null",
    ),
    "one of a deferred trigger": (
        "insert into public.late values (1)",
        "to_regclass('pg_temp.t') is not null",
    ),
    "advisory lock": (
        "select pg_advisory_lock(7)",
        "exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())",
    ),
    "prepared statement": (
        "prepare p as select 1",
        "exists (select from pg_prepared_statements where name = 'p')",
    ),
    "cursor": (
        "declare c cursor with hold for select 1",
        "exists (select from pg_cursors where name = 'c')",
    ),
    "last number of a sequence": (
        "select nextval('public.numbers')",
        "public.has_last_number()",
    ),
    "listening": ("listen n", "exists (select from pg_listening_channels())"),
}
TRIGGER = """
create table public.made (n int);
create function public.make() returns trigger language plpgsql as $$
begin create temporary table t (); return null; end $$;
create trigger make after insert on public.made execute function public.make();
create table public.late (n int);
create constraint trigger make after insert on public.late deferrable initially deferred
    for each row execute function public.make();
create sequence public.numbers; grant usage on sequence public.numbers to anon;
create function public.has_last_number() returns boolean language plpgsql as $$
begin return lastval() is not null; exception when others then return false; end $$;
create table public.seen (it boolean);
"""


@pytest.mark.parametrize("what", LEFT)
def test_nothing_of_a_file_is_left_for_the_next(bare: Database, write: Write, what: str) -> None:
    leaves, seen = LEFT[what]
    folder = write(TRIGGER, f"{leaves};", f"insert into public.seen select {seen};")
    assert len(Runner(bare.dsn(), folder).up().applied) == 3
    assert column(bare, "select it from public.seen") == [False]


@pytest.mark.parametrize("takes", ["session authorization", "role"])
def test_the_role_of_the_connection_is_taken_again(
    empty: Database, write: Write, takes: str
) -> None:
    folder = write(
        f"create table public.seen (it text); set {takes} anon;",
        "insert into public.seen values (session_user || ' as ' || current_user);",
    )
    Runner(make_conninfo(empty.dsn("supabase_admin"), options="-c role=postgres"), folder).up()
    assert column(empty, "select it from public.seen") == ["supabase_admin as postgres"]


def test_nothing_of_a_file_is_left_in_a_pooler(
    bare: Database, write: Write, pooler: Pgbouncer
) -> None:
    dsn = pooler.dsn(TRANSACTION, "postgres")
    statements = ";".join(
        leaves for what, (leaves, _) in LEFT.items() if not what.startswith("one of a")
    )
    Runner(dsn, write(f"{TRIGGER}; {statements};")).up()
    for _ in range(5):
        with psycopg.connect(dsn, prepare_threshold=None) as conn:
            found = conn.execute(f"select {', '.join(seen for _, seen in LEFT.values())}")
            assert found.fetchone() == (False,) * len(LEFT)


def test_a_history_that_swallows_rows_is_not_written_to_for_ever(
    bare: Database, write: Write
) -> None:
    folder = write("create table public.a ();")
    Runner(bare.dsn(), folder).up()
    execute(
        bare,
        "create function public.swallow() returns trigger language plpgsql as "
        "$$ begin return null; end $$; create trigger swallow before insert on "
        "supabase_migrations.schema_migrations for each row execute function public.swallow()",
    )
    write("create table public.b ();")
    with pytest.raises(UsageError):
        Runner(bare.dsn(), folder).up()
    assert not has(bare, "public.b")
    with pytest.raises(UsageError):
        repair(bare.dsn(), folder, applied=["20260101000002"])
    (folder / "20260101000002_step2.sql").write_text(f"{DIRECTIVE}create table public.b ();")
    with pytest.raises(Unfinished, match="triggers"):
        Runner(bare.dsn(), folder).up()
    execute(bare, "drop function public.swallow() cascade")
    assert len(Runner(bare.dsn(), folder).resume().applied) == 1


@pytest.mark.parametrize("code", ["08006", "57P01", "40001", "55P03"])
def test_an_error_that_a_file_raises_itself_is_its_own(
    bare: Database, write: Write, code: str
) -> None:
    raising = f"do $$ begin raise 'mine' using errcode = '{code}'; end $$;"
    began = time.monotonic()
    with pytest.raises(MigrationFailed) as caught:
        Runner(bare.dsn(), write(raising), wait=20).up()
    assert (caught.value.sqlstate, caught.value.statement) == (code, 1)
    assert time.monotonic() - began < 15


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak there")
def test_what_statements_return_is_not_kept(bare: Database, write: Write) -> None:
    folder = write("select repeat('x', 1000000);" * 400)
    program = (
        "import sys; from tillroll.migrate import Runner; Runner(sys.argv[1], sys.argv[2]).up();"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, bare.dsn(), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 250_000  # kB; all of them are 400,000


def test_a_database_without_the_schema_public_is_one(empty: Database, write: Write) -> None:
    execute(empty, "drop schema public cascade")
    folder = write("create schema app; create table app.t ();")
    assert len(Runner(empty.dsn(), folder).up().applied) == 1


def test_a_catalog_that_cannot_be_read_stops_nobody(
    bare: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: psycopg.Connection) -> str:
        raise psycopg.errors.InsufficientPrivilege("not for you")

    monkeypatch.setattr("tillroll.migrate.journal.look_at_catalog", refused)
    assert len(Runner(bare.dsn(), write("select 1;")).up().applied) == 1


def test_a_version_that_is_taken_out_meanwhile_is_applied_again(
    bare: Database, write: Write
) -> None:
    folder = write("create table if not exists public.a ();")
    Runner(bare.dsn(), folder).up()
    write("create table if not exists public.b ();", "create table public.c ();")

    def undo(file: AppliedFile) -> None:
        if file.name == "step2" and len(undone) < 1:
            undone.append(file.name)
            execute(bare, "delete from supabase_migrations.schema_migrations")

    undone: list[str] = []
    applied = Runner(bare.dsn(), folder).up(undo).applied
    assert [file.name for file in applied] == ["step2", "step1", "step2", "step3"]
    assert len(rows(bare)) == 3


def test_what_was_not_planned_is_not_applied_meanwhile_either(bare: Database, write: Write) -> None:
    folder = write("create table public.a ();")
    Runner(bare.dsn(), folder).up()
    write("create table public.b ();", "create table public.c ();")
    made = make_plan(bare.dsn(), folder, platform=None, rehearsed=False)

    def undo(_: AppliedFile) -> None:
        execute(bare, "delete from supabase_migrations.schema_migrations")

    with pytest.raises(HistoryDivergent):
        Runner(bare.dsn(), folder).up(undo, plan=made.binding)
    assert not has(bare, "public.c")


def test_what_is_applied_is_what_was_hashed(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: Path = write("select 1;")
    file = read_folder(folder).files[0]
    before = file.sha256()
    read = Path.read_bytes

    def change(path: Path) -> bytes:
        """Read, and let somebody write at once."""
        raw = read(path)
        path.write_bytes(b"select 2;")
        return raw

    monkeypatch.setattr(Path, "read_bytes", change)
    content = file.read()
    assert (content.texts, content.sha256) == (["select 1"], before)
