"""Files without a transaction: each statement once, and a way on from wherever it stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psycopg
import pytest
from psycopg import errors as pg

from tests.conftest import Cluster, Database
from tests.migration.conftest import Write
from tests.migration.test_up import has, rows
from tests.waiting import until
from tillroll.migrate import (
    HistoryDivergent,
    LockContention,
    MigrationFailed,
    PartWay,
    Runner,
    Unfinished,
    UsageError,
)
from tillroll.migrate.files import read_folder
from tillroll.migrate.replay import replay

DIRECTIVE = "-- pg-delta: transaction=false\n"
TABLES = "create table public.t (id int, n int); create table public.log (what text);"
INDEX = "create index concurrently t_n on public.t (n);"
LOGGED = f"insert into public.log values ('before'); {INDEX} insert into public.log values ('z');"
PROGRAM = (
    "import sys; from tillroll.migrate import Runner; Runner(sys.argv[1], sys.argv[2], wait=20)"
)


def execute(database: Database, statement: str) -> None:
    with database.connect() as conn:
        conn.execute(statement)


def column(database: Database, query: str) -> list[object]:
    with database.connect() as conn:
        return [row[0] for row in conn.execute(query).fetchall()]


def state(database: Database, folder: Path) -> str:
    return Runner(database.dsn(), folder).status().files[-1].state


def is_valid(database: Database, index: str) -> bool:
    query = f"select indisvalid from pg_index where indexrelid = to_regclass('{index}')"
    return column(database, query) == [True]


@contextmanager
def held_up(database: Database) -> Iterator[psycopg.Connection]:
    """A transaction that CREATE INDEX CONCURRENTLY on public.t waits for."""
    with database.connect() as conn:
        conn.execute("begin; insert into public.t values (0, 0)")
        yield conn


def building(database: Database) -> bool:
    query = "select pid from pg_stat_progress_create_index where datname = current_database()"
    return bool(column(database, query))


def killed_while_building(database: Database, folder: Path, command: str = "up") -> None:
    """Start a runner, and kill −9 it once its index waits; the server goes on with the index."""
    with held_up(database):
        program = [sys.executable, "-c", f"{PROGRAM}.{command}()", database.dsn(), str(folder)]
        runner = subprocess.Popen(program)
        try:
            until(lambda: building(database))
        finally:
            runner.send_signal(signal.SIGKILL)
            runner.wait()


@pytest.mark.parametrize("text", [INDEX, f"{DIRECTIVE}insert into public.log values ('one');"])
def test_a_file_without_a_transaction_is_applied_and_recorded_as_any_other(
    empty: Database, write: Write, text: str
) -> None:
    folder = write(TABLES, text, "create table public.after ();")
    result = Runner(empty.dsn(), folder).up()
    assert [file.name for file in result.applied] == ["step1", "step2", "step3"]
    assert rows(empty)[1] == ("20260101000002", "step2", [text.rstrip(";")])
    assert column(empty, "select 1 from supabase_migrations.runner_step") == []
    assert column(empty, "select 1 from supabase_migrations.runner_lease") == []
    assert {file.state for file in Runner(empty.dsn(), folder).status().files} == {"applied"}


def test_statements_before_a_failure_stay_and_resume_goes_on_after_them(
    empty: Database, write: Write
) -> None:
    unique = INDEX.replace("index", "unique index")
    folder = write(TABLES, LOGGED.replace(INDEX, unique))
    execute(empty, TABLES + "insert into public.t values (1, 7), (2, 7)")
    (folder / "20260101000001_step1.sql").write_text("select 1;")
    with pytest.raises(PartWay) as caught:
        Runner(empty.dsn(), folder).up()
    assert (caught.value.statement, caught.value.sqlstate) == (2, "23505")
    assert state(empty, folder) == "part_way"
    with pytest.raises(Unfinished):
        Runner(empty.dsn(), folder).up()
    with pytest.raises(PartWay):  # nothing has changed yet
        Runner(empty.dsn(), folder).resume()
    execute(empty, "update public.t set n = id")
    assert [file.name for file in Runner(empty.dsn(), folder).resume().applied] == ["step2"]
    assert is_valid(empty, "public.t_n")
    assert column(empty, "select what from public.log") == ["before", "z"]
    assert state(empty, folder) == "applied"
    assert Runner(empty.dsn(), folder).resume().applied == ()


def test_what_failed_may_be_edited_and_what_has_run_may_not(bare: Database, write: Write) -> None:
    folder = write(TABLES, "insert into public.log values ('a'); vacuum public.nope;")
    file = folder / "20260101000002_step2.sql"
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    file.write_text("insert into public.log values ('b'); vacuum public.log;")
    with pytest.raises(HistoryDivergent):
        Runner(bare.dsn(), folder).resume()
    file.write_text("vacuum public.log;")
    with pytest.raises(HistoryDivergent):
        Runner(bare.dsn(), folder).resume()
    file.write_text("-- now\nINSERT into public.log values ('a'); vacuum public.log;")
    assert len(Runner(bare.dsn(), folder).resume().applied) == 1
    assert column(bare, "select what from public.log") == ["a"]


def test_what_is_part_way_without_a_file_cannot_be_resumed(bare: Database, write: Write) -> None:
    folder = write(TABLES, "vacuum public.nope;")
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    (folder / "20260101000002_step2.sql").unlink()
    with pytest.raises(UsageError):
        Runner(bare.dsn(), folder).resume()


@pytest.mark.parametrize(
    ("sets", "shown", "value"),
    [
        ("set my.setting = 'kept'", "current_setting('my.setting', true)", "kept"),
        ("select set_config('search_path', 'app', false)", "current_schema()", "app"),
        (
            "do $$ begin perform set_config('search_path', 'app', false); end $$",
            "current_schema()",
            "app",
        ),
        ("set search_path = app; set search_path = public", "current_schema()", "public"),
        ("set role anon", "current_user", "anon"),
        ("set role anon; reset role", "current_user", "postgres"),
    ],
)
def test_settings_and_role_hold_for_later_statements_also_after_resume(
    bare: Database, write: Write, sets: str, shown: str, value: str
) -> None:
    folder = write(
        "create schema app; create table public.log (what text);"
        "grant insert on public.log to anon;",
        f"{DIRECTIVE}{sets}; vacuum public.nope; insert into public.log values ({shown});",
    )
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    execute(bare, "create table public.nope ()")
    Runner(bare.dsn(), folder).resume()
    assert column(bare, "select what from public.log") == [value]


def test_a_role_that_may_not_set_them_is_taken_after_the_settings(
    bare: Database, write: Write
) -> None:
    folder = write(
        f"{DIRECTIVE}set session_replication_role = replica; set role anon; vacuum public.nope;"
        "select 1 / (current_setting('session_replication_role') = 'replica')::int;"
    )
    runner = Runner(bare.dsn("supabase_admin"), folder)
    with pytest.raises(PartWay):
        runner.up()
    execute(bare, "create table public.nope ()")
    assert len(runner.resume().applied) == 1


def test_an_index_waits_for_its_table_also_after_resume(bare: Database, write: Write) -> None:
    execute(bare, TABLES + "insert into public.t values (1, 7), (2, 7)")
    folder = write(LOGGED.replace("index", "unique index"))
    runner = Runner(bare.dsn(), folder, lock_timeout=0.1)
    with pytest.raises(PartWay):
        runner.up()
    execute(bare, "update public.t set n = id")
    with ThreadPoolExecutor(1) as pool:
        with held_up(bare):
            run = pool.submit(runner.resume)
            time.sleep(2)
        assert len(run.result().applied) == 1


@pytest.mark.parametrize("command", ["up", "resume"])
def test_a_journal_of_an_earlier_form_is_completed(
    bare: Database, write: Write, command: str
) -> None:
    folder = write(TABLES)
    Runner(bare.dsn(), folder).up()
    write(f"{DIRECTIVE}insert into public.log values ('1'); vacuum public.nope;")
    if command == "resume":
        with pytest.raises(PartWay):
            Runner(bare.dsn(), folder).up()
    execute(
        bare,
        "alter table supabase_migrations.runner_step drop settings, add found oid;"
        "create table public.nope ()",
    )
    assert len(getattr(Runner(bare.dsn(), folder), command)().applied) == 1
    assert column(bare, "select what from public.log") == ["1"]


def test_timeouts_of_the_role_do_not_end_what_takes_long(bare: Database, write: Write) -> None:
    sleep = "select pg_sleep(0.3);"
    folder = write(TABLES)
    Runner(bare.dsn(), folder).up()
    write(sleep, DIRECTIVE + sleep, INDEX)
    for setting in ("statement_timeout", "lock_timeout"):
        execute(bare, f'alter database "{bare.name}" set {setting} = 100')
    with held_up(bare) as holder, ThreadPoolExecutor(1) as pool:
        run = pool.submit(Runner(bare.dsn(), folder).up)
        until(lambda: building(bare))
        time.sleep(0.3)
        holder.execute("rollback")
        assert len(run.result().applied) == 3


def test_a_killed_runner_s_index_is_waited_for_and_kept(empty: Database, write: Write) -> None:
    folder = write(TABLES)
    Runner(empty.dsn(), folder).up()
    write(LOGGED)
    killed_while_building(empty, folder)
    until(lambda: not building(empty))
    assert is_valid(empty, "public.t_n")
    built = column(empty, "select 'public.t_n'::regclass::oid::int")
    assert len(Runner(empty.dsn(), folder).resume().applied) == 1
    assert column(empty, "select 'public.t_n'::regclass::oid::int") == built
    assert column(empty, "select what from public.log") == ["before", "z"]


def test_what_a_killed_runner_left_running_is_told_and_not_run_twice(
    bare: Database, write: Write
) -> None:
    folder = write(TABLES)
    Runner(bare.dsn(), folder).up()
    write(LOGGED)
    with held_up(bare) as holder:
        program = [sys.executable, "-c", f"{PROGRAM}.up()", bare.dsn(), str(folder)]
        runner = subprocess.Popen(program)
        until(lambda: building(bare))
        runner.kill()
        runner.wait()
        other = Runner(bare.dsn(), folder, wait=0.2)
        for again in (other.up, other.resume):
            with pytest.raises(LockContention):
                again()
        execute(bare, "update supabase_migrations.runner_lease set expires_at = now()")
        with pytest.raises(LockContention, match="pg_terminate_backend"):
            other.resume()
        holder.execute("rollback")
    Runner(bare.dsn(), folder).resume()
    assert column(bare, "select count(*) from pg_index where indrelid = 'public.t'::regclass") == [
        1
    ]


def test_an_index_whose_building_was_ended_is_dropped_and_built_anew(
    empty: Database, write: Write
) -> None:
    folder = write(TABLES)
    Runner(empty.dsn(), folder).up()
    write(LOGGED)
    with ThreadPoolExecutor(1) as pool, held_up(empty):
        run = pool.submit(Runner(empty.dsn(), folder).up)
        until(lambda: building(empty))
        execute(empty, "select pg_terminate_backend(pid) from pg_stat_progress_create_index")
        with pytest.raises(Unfinished):
            run.result()
    assert has(empty, "public.t_n")
    assert not is_valid(empty, "public.t_n")
    Runner(empty.dsn(), folder).resume()
    assert is_valid(empty, "public.t_n")
    assert column(empty, "select what from public.log") == ["before", "z"]


def test_an_index_that_was_there_before_is_not_taken_for_the_new_one(
    bare: Database, write: Write
) -> None:
    folder = write(TABLES)
    Runner(bare.dsn(), folder).up()
    write(LOGGED)
    execute(bare, INDEX.replace("concurrently", ""))
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).resume()
    execute(bare, "drop index public.t_n")
    Runner(bare.dsn(), folder).resume()
    assert is_valid(bare, "public.t_n")


def test_what_was_edited_to_create_another_index_was_not_begun(
    bare: Database, write: Write
) -> None:
    execute(bare, TABLES + "insert into public.t values (1, 7), (2, 7)")
    folder = write(INDEX.replace("index", "unique index"))
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    execute(bare, "create index there on public.t (id)")
    file = folder / "20260101000001_step1.sql"
    file.write_text("create index concurrently there on public.t (n);")
    with pytest.raises(PartWay, match="already exists"):
        Runner(bare.dsn(), folder).resume()


@pytest.mark.parametrize("valid", [True, False])
def test_an_index_that_may_be_there_must_be_valid(
    bare: Database, write: Write, valid: bool
) -> None:
    execute(bare, TABLES + "insert into public.t values (1, 1), (2, 1)")
    unique = INDEX.replace("index", "index" if valid else "unique index")
    with bare.connect() as conn, nullcontext() if valid else pytest.raises(pg.UniqueViolation):
        conn.execute(unique)
    folder = write(INDEX.replace("concurrently", "concurrently if not exists"))
    if valid:
        assert len(Runner(bare.dsn(), folder).up().applied) == 1
        return
    for _ in range(2):
        with pytest.raises(MigrationFailed, match="not valid"):
            Runner(bare.dsn(), folder).up()
    execute(bare, "drop index public.t_n")
    Runner(bare.dsn(), folder).up()
    assert is_valid(bare, "public.t_n")


def ended(database: Database, folder: Path, waits_for: str) -> None:
    """Run `up` and end its session from outside while its concurrent statement waits."""
    with ThreadPoolExecutor(1) as pool, database.connect() as holder:
        holder.execute(f"begin; {waits_for}")
        run = pool.submit(Runner(database.dsn(), folder).up)
        query = (
            "select pid from pg_stat_activity where datname = current_database() "
            "and wait_event_type = 'Lock' and query ilike '%concurrently%'"
        )
        until(lambda: bool(column(database, query)))
        execute(database, f"select pg_terminate_backend(pid) from ({query}) as w")
        with pytest.raises(Unfinished):
            run.result()


@pytest.mark.parametrize("what", ["index public.t_n", "table public.t"])
def test_what_an_ended_reindex_left_is_dropped(empty: Database, write: Write, what: str) -> None:
    folder = write(TABLES + INDEX.replace("concurrently", ""))
    Runner(empty.dsn(), folder).up()
    write(f"reindex {what.split()[0]} concurrently {what.split()[1]};")
    ended(empty, folder, "insert into public.t values (0, 0)")
    query = "select count(*) from pg_index where indrelid = 'public.t'::regclass"
    execute(empty, "create index a_ccnew on public.t (id)")  # somebody's own, and valid
    execute(empty, "insert into public.t values (1, 1), (2, 1)")
    with empty.connect() as conn, pytest.raises(pg.UniqueViolation):  # another's, of another name
        conn.execute("create unique index concurrently broken on public.t (n)")
    assert column(empty, query) == [4]
    Runner(empty.dsn(), folder).resume()
    assert column(empty, query) == [3]
    assert is_valid(empty, "public.t_n")
    assert is_valid(empty, "public.a_ccnew")


def test_statements_that_no_transaction_can_hold_are_run_without_one(
    bare: Database, newest: Cluster, write: Write
) -> None:
    folder = write(
        "create table public.p (id int) partition by range (id);"
        "create table public.p1 partition of public.p for values from (0) to (9);"
        "create index i on public.p (id);",
        f"{DIRECTIVE}reindex table public.p;",
    )
    assert len(Runner(bare.dsn(), folder).up().applied) == 2
    copy = newest.database("bare")
    replay(copy.dsn(), read_folder(folder).files)
    newest.drop(copy)


def test_an_ended_drop_of_an_index_is_finished(empty: Database, write: Write) -> None:
    folder = write(TABLES + INDEX.replace("concurrently", ""))
    Runner(empty.dsn(), folder).up()
    write("drop index concurrently public.t_n;")
    ended(empty, folder, "insert into public.t values (0, 0)")
    assert has(empty, "public.t_n")
    Runner(empty.dsn(), folder).resume()
    assert not has(empty, "public.t_n")


def test_an_ended_detachment_is_finalized(empty: Database, write: Write) -> None:
    folder = write(
        "create table public.p (id int) partition by range (id);"
        "create table public.p1 partition of public.p for values from (0) to (9);"
    )
    Runner(empty.dsn(), folder).up()
    write("alter table public.p detach partition public.p1 concurrently;")
    ended(empty, folder, "select from public.p")
    query = "select inhdetachpending from pg_inherits where inhparent = 'public.p'::regclass"
    assert column(empty, query) == [True]
    Runner(empty.dsn(), folder).resume()
    assert column(empty, query) == []


def test_runners_at_once_build_an_index_once(empty: Database, write: Write) -> None:
    folder = write(TABLES, LOGGED, "insert into public.log values ('last');")
    with ThreadPoolExecutor(5) as pool:
        runs = [pool.submit(Runner(empty.dsn(), folder).up) for _ in range(5)]
        assert sum(len(run.result().applied) for run in runs) == 3
    assert column(empty, "select what from public.log") == ["before", "z", "last"]


def test_another_runner_waits_and_says_for_whom(bare: Database, write: Write) -> None:
    folder = write(TABLES)
    Runner(bare.dsn(), folder).up()
    write(INDEX)
    with ThreadPoolExecutor(1) as pool, held_up(bare) as holder:
        first = pool.submit(Runner(bare.dsn(), folder).up)
        until(lambda: building(bare))
        with pytest.raises(LockContention):
            Runner(bare.dsn(), folder, wait=0.2).up()
        holder.execute("rollback")
        assert len(first.result().applied) == 1


def test_blocks_that_commit_as_they_go_run_and_are_run_again_on_resume(
    empty: Database, newest: Cluster, write: Write
) -> None:
    batches = (
        "do $$ begin for n in 1..3 loop insert into public.log values (n::text); commit; "
        "perform 1 / (select count(*) from public.t); end loop; end $$;"
    )
    folder = write(TABLES, DIRECTIVE + batches)
    with pytest.raises(PartWay):
        Runner(empty.dsn(), folder).up()
    execute(empty, "insert into public.t values (1, 1)")
    Runner(empty.dsn(), folder).resume()
    assert column(empty, "select what from public.log") == ["1", "1", "2", "3"]
    text = batches.replace("perform 1 / (select count(*) from public.t);", "")
    (folder / "20260101000002_step2.sql").write_text(DIRECTIVE + text)
    copy = newest.database("bare")
    replay(copy.dsn(), read_folder(folder).files)
    assert column(copy, "select what from public.log") == ["1", "2", "3"]
    newest.drop(copy)
