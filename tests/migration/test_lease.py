"""Who may work on a file without a transaction, also where runners are stopped and go on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import errors as pg

from tests.conftest import Database
from tests.migration.conftest import Write
from tests.migration.test_stepwise import DIRECTIVE, column, execute, state
from tests.migration.test_up import rows
from tests.waiting import until
from tillroll.migrate import (
    HistoryDivergent,
    LockContention,
    MigrationFailed,
    PartWay,
    Runner,
    Unfinished,
)
from tillroll.migrate.apply import Limits, Moved
from tillroll.migrate.files import read_folder
from tillroll.migrate.history import Deadline, Mark, connect, mark
from tillroll.migrate.journal import Lease
from tillroll.migrate.leftovers import mend
from tillroll.migrate.parser import Statement
from tillroll.migrate.stepwise import Stepwise
from tillroll.migrate.watch import Watch

LOG = "create table public.log (what text); create table public.t (id int, n int);"
# Its lease counts for a second without a sign of life, so that nobody waits for ten.
SHORT = """
import sys
from tillroll.migrate import Runner, Unfinished, journal
journal._PATIENCE = 1
try:
    Runner(sys.argv[1], sys.argv[2], wait=30).up()
except Unfinished as error:
    sys.exit(str(error))
"""


def logged(database: Database, write: Write, text: str) -> Path:
    """A folder whose first file is applied and makes LOG; the second has no transaction."""
    folder = write(LOG)
    Runner(database.dsn(), folder).up()
    return write(DIRECTIVE + text)


@contextmanager
def stopped(database: Database, folder: Path, busy: str) -> Iterator[subprocess.Popen[str]]:
    """A runner that was stopped (not killed) once a query holds, until its lease has run out."""
    program = [sys.executable, "-c", SHORT, database.dsn(), str(folder)]
    runner = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: column(database, busy) != [])
        runner.send_signal(signal.SIGSTOP)
        expired = "select 1 from supabase_migrations.runner_lease where expires_at < now()"
        until(lambda: column(database, expired) == [1])
        yield runner
    finally:
        runner.kill()
        runner.wait()


def goes_on(runner: subprocess.Popen[str]) -> tuple[int, str]:
    """Let a stopped runner go on to its end; return its exit code and what it says."""
    runner.send_signal(signal.SIGCONT)
    said = runner.communicate(timeout=30)[1]
    return runner.returncode, said


SLEEPS = (
    "select 1 from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
)


def test_a_runner_that_was_stopped_and_overtaken_does_nothing_more(
    empty: Database, write: Write
) -> None:
    folder = logged(
        empty,
        write,
        "insert into public.log values ('1');select pg_sleep(1);"
        "insert into public.log values ('3');",
    )
    with stopped(empty, folder, SLEEPS) as runner:
        assert len(Runner(empty.dsn(), folder, wait=20).resume().applied) == 1
        code, said = goes_on(runner)
    assert (code, "taken it over" in said) == (1, True)
    assert column(empty, "select what from public.log order by 1") == ["1", "3"]
    assert column(empty, "select 1 from supabase_migrations.runner_step") == []
    assert state(empty, folder) == "applied"


def test_a_runner_that_was_overtaken_before_the_history_writes_nothing_there(
    empty: Database, write: Write
) -> None:
    folder = logged(empty, write, "insert into public.log values ('1');")
    with empty.connect() as holder:
        holder.execute("begin; lock table supabase_migrations.schema_migrations in share mode")
        done = "select 1 from supabase_migrations.runner_step where done"
        with stopped(empty, folder, done) as runner:
            holder.execute("rollback")
            assert len(Runner(empty.dsn(), folder).resume().applied) == 1
            code, said = goes_on(runner)
    assert (code, "taken it over" in said) == (1, True)
    assert column(empty, "select what from public.log") == ["1"]


def test_a_lease_that_was_looked_at_is_not_taken_before_the_transaction_ends(
    bare: Database, write: Write
) -> None:
    Runner(bare.dsn(), write("select 1;")).up()
    with connect(bare.dsn()) as conn, Lease(bare.dsn()).held(conn, "1", Deadline(1)) as lease:
        with bare.connect() as other, conn.transaction():
            lease.keep(conn)
            other.execute("set lock_timeout = 200")
            with pytest.raises(pg.LockNotAvailable):
                other.execute("update supabase_migrations.runner_lease set holder = holder")


def test_a_lease_is_renewed_while_a_statement_lasts(
    bare: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tillroll.migrate.journal._PATIENCE", 1)
    folder = logged(bare, write, "insert into public.log select '1' from pg_sleep(3);")
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(Runner(bare.dsn(), folder).up) for _ in range(2)]
        assert sum(len(run.result().applied) for run in runs) == 1
    assert column(bare, "select what from public.log") == ["1"]


@pytest.mark.parametrize(
    ("pid", "start", "expires", "taken"),
    [
        ("pg_backend_pid()", "a.backend_start", "1 h", False),
        ("pg_backend_pid()", "a.backend_start", "-1 s", True),
        ("pg_backend_pid()", "a.backend_start - interval '1 s'", "1 h", True),
        ("0", "a.backend_start", "1 h", True),
    ],
    ids=["at work", "expired", "another session of that number", "gone"],
)
def test_a_lease_counts_until_it_expires_or_its_session_has_ended(
    empty: Database, write: Write, pid: str, start: str, expires: str, taken: bool
) -> None:
    folder = logged(empty, write, "insert into public.log values ('1'); vacuum public.nope;")
    with pytest.raises(PartWay):
        Runner(empty.dsn(), folder).up()
    execute(empty, "create table public.nope ()")
    with empty.connect() as other:
        other.execute(
            "insert into supabase_migrations.runner_lease (holder, version, pid, session_start, "
            f"expires_at) select gen_random_uuid(), '20260101000002', {pid}, {start}, "
            f"now() + interval '{expires}' from pg_stat_activity as a where pid = pg_backend_pid()"
        )
        assert state(empty, folder) == ("part_way" if taken else "running")
        runner = Runner(empty.dsn(), folder, wait=0.1)
        if taken:
            assert len(runner.resume().applied) == 1
        else:
            with pytest.raises(LockContention):
                runner.resume()


def chosen(database: Database) -> Mark:
    """The history's mark, as it is when a file is chosen."""
    with connect(database.dsn()) as conn:
        return mark(conn)


def apply_last(database: Database, folder: Path, before: Mark | None) -> None:
    file = read_folder(folder).files[-1]
    with Watch(database.dsn(), None) as watch:
        Stepwise(database.dsn(), Limits(), watch).apply(file, file.read(), before)


def test_what_was_applied_by_others_before_the_lease_was_taken_is_seen(
    bare: Database, write: Write
) -> None:
    folder = logged(bare, write, "insert into public.log values ('late');")
    before = chosen(bare)
    execute(bare, "insert into supabase_migrations.schema_migrations values ('20270101000000')")
    with pytest.raises(Moved):
        apply_last(bare, folder, before)
    assert column(bare, "select what from public.log") == []


def test_what_was_finished_by_others_before_the_lease_was_taken_is_seen(
    bare: Database, write: Write
) -> None:
    folder = write(LOG, f"{DIRECTIVE}insert into public.log values ('1');")
    Runner(bare.dsn(), folder).up()
    with pytest.raises(Moved):
        apply_last(bare, folder, None)
    assert column(bare, "select what from public.log") == ["1"]


def test_what_was_begun_by_others_before_the_lease_was_taken_is_seen(
    bare: Database, write: Write
) -> None:
    folder = logged(bare, write, "insert into public.log values ('1'); vacuum public.nope;")
    before = chosen(bare)
    for _ in range(2):
        with pytest.raises((PartWay, Unfinished)) as caught:
            apply_last(bare, folder, before)
    assert isinstance(caught.value, Unfinished)
    assert column(bare, "select what from public.log") == ["1"]


def test_what_is_cleared_up_is_our_own_before(
    bare: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one that was stopped here, and overtaken, would drop the other one's index."""
    execute(bare, LOG + "insert into public.t values (1, 1), (1, 1)")
    folder = write("create unique index concurrently i on public.t (id);")
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    execute(bare, "truncate public.t")
    seen = []

    def look(conn: psycopg.Connection, statement: Statement) -> bool:
        seen.extend(column(bare, "select pid from supabase_migrations.runner_step"))
        seen.append(conn.info.backend_pid)
        return mend(conn, statement)

    monkeypatch.setattr("tillroll.migrate.stepwise.mend", look)
    Runner(bare.dsn(), folder).resume()
    assert len(seen) == 2
    assert seen[0] == seen[1]


def test_another_tool_that_applied_it_meanwhile_is_told(bare: Database, write: Write) -> None:
    folder = logged(
        bare,
        write,
        "insert into supabase_migrations.schema_migrations values ('20260101000002');",
    )
    with pytest.raises(HistoryDivergent):
        Runner(bare.dsn(), folder).up()
    assert column(bare, "select 1 from supabase_migrations.runner_step") == []
    assert len(rows(bare)) == 2


def test_a_lock_in_the_middle_leaves_the_file_part_way_and_names_who_holds_it(
    bare: Database, write: Write
) -> None:
    folder = logged(
        bare,
        write,
        "insert into public.log values ('1'); alter table public.t add m int;",
    )
    with bare.connect() as holder:
        holder.execute("begin; select from public.t")
        with pytest.raises(Unfinished) as caught:
            Runner(bare.dsn(), folder, wait=0.5).up()
        assert [each.pid for each in caught.value.blockers] == [holder.info.backend_pid]
    assert len(Runner(bare.dsn(), folder).resume().applied) == 1
    assert column(bare, "select what from public.log") == ["1"]


def test_a_lock_before_anything_has_run_leaves_the_file_pending(
    bare: Database, write: Write
) -> None:
    folder = logged(bare, write, "alter table public.t add m int;")
    with bare.connect() as holder:
        holder.execute("begin; select from public.t")
        with pytest.raises(LockContention) as caught:
            Runner(bare.dsn(), folder, wait=0.5).up()
        assert [each.pid for each in caught.value.blockers] == [holder.info.backend_pid]
    assert state(bare, folder) == "pending"


def test_a_failure_before_anything_has_run_leaves_the_file_pending(
    bare: Database, write: Write
) -> None:
    folder = write(LOG, f"{DIRECTIVE}select 1 / 0;")
    with pytest.raises(MigrationFailed) as caught:
        Runner(bare.dsn(), folder).up()
    assert not isinstance(caught.value, PartWay)
    assert state(bare, folder) == "pending"


def test_a_history_that_is_locked_at_the_end_leaves_the_file_part_way(
    bare: Database, write: Write
) -> None:
    folder = logged(bare, write, "insert into public.log values ('1');")
    with bare.connect() as holder:
        holder.execute("begin; lock table supabase_migrations.schema_migrations in share mode")
        with pytest.raises(Unfinished) as caught:
            Runner(bare.dsn(), folder, wait=0.2).up()
        assert [each.pid for each in caught.value.blockers] == [holder.info.backend_pid]
    assert len(Runner(bare.dsn(), folder).resume().applied) == 1
    assert column(bare, "select what from public.log") == ["1"]
