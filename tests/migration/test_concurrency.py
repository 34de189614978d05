"""Exactly once and all or nothing: several runners, killed runners, lost connections."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import Database, missing
from tests.migration.conftest import Write
from tests.migration.test_up import has, rows
from tests.reliability.pgbouncer import SESSION, TRANSACTION, Pgbouncer, pgbouncer, program
from tests.waiting import until
from tillroll.migrate import ConnectionFailed, LockContention, Progress, Runner
from tillroll.migrate.history import is_lost

STANDARD = '"$user", public'
ROUNDS, RUNNERS = 10, 5


def waiting(database: Database, event: str) -> bool:
    with database.connect("supabase_admin") as conn:
        found = conn.execute(
            "select exists (select from pg_stat_activity where datname = %s and wait_event = %s)",
            (database.name, event),
        ).fetchone()
        assert found is not None
        return bool(found[0])


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_runners_at_once_apply_each_file_once(
    empty: Database, write: Write, isolation: str
) -> None:
    with empty.connect() as conn:
        conn.execute("create table public.log (file int)")
        conn.execute(
            f"alter database \"{empty.name}\" set default_transaction_isolation = '{isolation}'"
        )
    folder = write(*(f"insert into public.log values ({file});" for file in (1, 2, 3)))
    with ThreadPoolExecutor(RUNNERS) as pool:
        for _ in range(ROUNDS // 2):
            gate = threading.Barrier(RUNNERS)

            def one(gate: threading.Barrier = gate) -> int:
                gate.wait()
                return len(Runner(empty.dsn(), folder).up().applied)

            counts = [each.result() for each in [pool.submit(one) for _ in range(RUNNERS)]]
            assert sum(counts) == 3
            with empty.connect() as conn:
                logged = conn.execute("delete from public.log returning file").fetchall()
                conn.execute("drop schema supabase_migrations cascade")
            assert sorted(logged) == [(1,), (2,), (3,)]


def test_a_runner_killed_in_the_middle_leaves_nothing_of_its_file(
    empty: Database, write: Write
) -> None:
    folder = write(
        "create table public.a (id int);",
        "create table public.b (id int); select pg_advisory_xact_lock(7);"
        "create table public.c (id int);",
    )
    program = (
        "import sys; from tillroll.migrate import Runner; "
        "Runner(sys.argv[1], sys.argv[2], lock_timeout=60).up()"
    )
    with empty.connect() as holder:
        holder.execute("select pg_advisory_lock(7)")
        runner = subprocess.Popen([sys.executable, "-c", program, empty.dsn(), str(folder)])
        try:
            until(lambda: waiting(empty, "advisory"))
        finally:
            os.kill(runner.pid, signal.SIGKILL)
            runner.wait()
    assert [row[1] for row in rows(empty)] == ["step1"]
    assert not has(empty, "public.b")
    assert [file.name for file in Runner(empty.dsn(), folder).up().applied] == ["step2"]
    assert has(empty, "public.c")


def test_a_session_ended_by_the_server_leaves_nothing_of_its_file(
    bare: Database, write: Write
) -> None:
    folder = write("create table public.b (id int); select pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(ConnectionFailed):
        Runner(bare.dsn(), folder).up()
    assert not has(bare, "public.b")
    assert rows(bare) == []


class Cutter:
    """A TCP proxy that cuts the first connection that says COMMIT after its statements.

    Args:
        port: Of the server.
        forward: Whether the server hears the COMMIT before the cut.
        version: What it makes of the server's major version, in two digits.
    """

    def __init__(self, port: int, *, forward: bool, version: bytes = b"") -> None:
        self._target = ("127.0.0.1", port)
        self._forward = forward
        self._version = version
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut = 0
        self._start(self._accept)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            self._end(each)
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                self._start(lambda c=client, s=server: self._pump(c, s, True))  # type: ignore[misc]
                self._start(lambda c=client, s=server: self._pump(s, c, False))  # type: ignore[misc]

    def _pump(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if from_client and b"commit\0" in data and not self.cut:
                    self.cut += 1
                    # Deaf first, so that the client never hears the answer to what is forwarded.
                    self._end(source)
                    if self._forward:
                        sink.sendall(data)
                        sink.shutdown(socket.SHUT_WR)
                        while sink.recv(65536):
                            pass
                    break
                if self._version and not from_client:
                    data = re.sub(rb"(server_version\0)\d\d", rb"\g<1>" + self._version, data)
                sink.sendall(data)
        self._end(source)
        self._end(sink)

    @staticmethod
    def _end(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@pytest.fixture
def cutter(bare: Database) -> Iterator[Callable[[bool], Cutter]]:
    made: list[Cutter] = []

    def make(forward: bool) -> Cutter:
        made.append(Cutter(bare.server.port, forward=forward))
        return made[-1]

    yield make
    for each in made:
        each.close()


def through(proxy: Cutter, database: Database) -> str:
    return make_conninfo(database.dsn(), port=proxy.port, sslmode="disable", gssencmode="disable")


def test_a_commit_without_an_answer_that_took_place_counts_as_applied(
    bare: Database, write: Write, cutter: Callable[[bool], Cutter]
) -> None:
    folder: Path = write("select 1;")
    Runner(bare.dsn(), folder).up()
    write("create table public.t (id int);")
    proxy = cutter(True)
    result = Runner(through(proxy, bare), folder).up()
    assert proxy.cut == 1
    assert [file.name for file in result.applied] == ["step2"]
    assert has(bare, "public.t")


def test_a_commit_that_never_arrived_is_told_as_not_applied(
    bare: Database, write: Write, cutter: Callable[[bool], Cutter]
) -> None:
    folder: Path = write("select 1;")
    Runner(bare.dsn(), folder).up()
    write("create table public.t (id int);")
    proxy = cutter(False)
    with pytest.raises(ConnectionFailed):
        Runner(through(proxy, bare), folder).up()
    assert proxy.cut == 1
    assert not has(bare, "public.t")
    assert len(Runner(bare.dsn(), folder).up().applied) == 1


def test_a_server_that_is_too_old_is_refused(bare: Database, write: Write) -> None:
    proxy = Cutter(bare.server.port, forward=True, version=b"14")
    try:
        with pytest.raises(ConnectionFailed):
            Runner(through(proxy, bare), write("select 1;")).status()
    finally:
        proxy.close()


def test_a_server_that_is_read_only_is_told_as_that(empty: Database, write: Write) -> None:
    folder = write("select 1;")
    for _ in range(2):  # before and after the history was made
        with empty.connect() as conn:
            conn.execute(f'alter database "{empty.name}" set default_transaction_read_only = on')
        with pytest.raises(ConnectionFailed, match="read-only"):
            Runner(empty.dsn(), folder).up()
        with empty.connect() as conn:
            conn.execute("set default_transaction_read_only = off")
            conn.execute(f'alter database "{empty.name}" reset default_transaction_read_only')
        Runner(empty.dsn(), folder).up()
        write("select 2;")


def test_a_file_reads_what_is_committed_whatever_the_default(bare: Database, write: Write) -> None:
    """A snapshot that is older than the lock on the history would not see who was first."""
    with bare.connect() as conn:
        conn.execute(
            f"alter database \"{bare.name}\" set default_transaction_isolation = 'serializable'"
        )
    folder = write("create table public.t as select current_setting('transaction_isolation') as i;")
    Runner(bare.dsn(), folder).up()
    with bare.connect() as conn:
        assert conn.execute("select i from public.t").fetchall() == [("read committed",)]


@pytest.fixture
def pooler(bare: Database, tmp_path: Path) -> Iterator[Pgbouncer]:
    if program() is None:
        missing("pgbouncer")
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o001)
    with pgbouncer(bare, tmp_path / "pooler") as started:
        yield started


CONCURRENTLY = "create index concurrently t_id on public.t (id);"


def test_through_a_transaction_pooler_files_are_applied_and_nothing_stays_in_it(
    bare: Database, write: Write, pooler: Pgbouncer
) -> None:
    folder = write(
        "set search_path = public; create table t (id int); set my.own = 'x';"
        "create temporary table scratch (); set role anon;",
        "create table public.u (id int);",
    )
    dsn = pooler.dsn(TRANSACTION, "postgres")
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(Runner(dsn, folder).up) for _ in range(3)]
        assert sum(len(run.result().applied) for run in runs) == 2
    for _ in range(5):
        with psycopg.connect(dsn, prepare_threshold=None) as conn:
            left = conn.execute(
                "select current_setting('my.own', true), current_user, "
                "current_setting('search_path')"
            ).fetchone()
            assert left in ((None, "postgres", STANDARD), ("", "postgres", STANDARD))
            locks = conn.execute("select 1 from pg_locks where locktype = 'advisory'").fetchall()
            assert locks == []


@pytest.mark.parametrize("mode", [TRANSACTION, SESSION])
def test_a_session_that_is_ended_behind_a_pooler_is_a_lost_connection(
    bare: Database, write: Write, pooler: Pgbouncer, mode: str
) -> None:
    folder = write("create table public.b (id int); select pg_terminate_backend(pg_backend_pid());")
    with pytest.raises(ConnectionFailed):
        Runner(pooler.dsn(mode, "postgres"), folder).up()
    assert not has(bare, "public.b")


@pytest.mark.parametrize(("mode", "works"), [(TRANSACTION, False), (SESSION, True)])
def test_a_file_without_a_transaction_needs_a_session(
    bare: Database, write: Write, pooler: Pgbouncer, mode: str, works: bool
) -> None:
    folder = write("create table public.t (id int);", CONCURRENTLY)
    runner = Runner(pooler.dsn(mode, "postgres"), folder)
    if works:
        assert len(runner.up().applied) == 2
    else:
        with pytest.raises(ConnectionFailed):
            runner.up()
        assert [row[1] for row in rows(bare)] == ["step1"]


def test_who_holds_a_lock_is_named_and_readers_wait_no_longer_than_a_try(
    bare: Database, write: Write
) -> None:
    folder = write("create table public.t (id int);")
    Runner(bare.dsn(), folder).up()
    write("alter table public.t add column n int;")
    seen: list[Progress] = []
    waits: list[float] = []
    over = threading.Event()

    def read() -> None:
        with bare.connect() as conn:
            while not over.is_set():
                began = time.monotonic()
                conn.execute("select count(*) from public.t")
                waits.append(time.monotonic() - began)

    with bare.connect() as holder, ThreadPoolExecutor(1) as pool:
        pid = holder.info.backend_pid
        holder.execute("begin; select 'a long report' from public.t")
        reader = pool.submit(read)
        try:
            runner = Runner(bare.dsn(), folder, wait=2, lock_timeout=0.3, on_progress=seen.append)
            with pytest.raises(LockContention) as caught:
                runner.up()
        finally:
            over.set()
        reader.result()
    blockers = caught.value.blockers
    assert [blocker.pid for blocker in blockers] == [pid]
    assert "a long report" in str(blockers[0].query)
    assert [each.blockers[0].pid for each in seen if each.what == "waiting"][:1] == [pid]
    # It did wait, for a try at most: what else takes time on a busy machine is allowed for.
    assert 0.1 < max(waits) < 1.5


@pytest.mark.parametrize("mode", ["row exclusive", "access exclusive"])
def test_who_works_on_the_history_is_not_waited_for_for_ever(
    bare: Database, write: Write, mode: str
) -> None:
    folder = write("create table public.t (id int);")
    Runner(bare.dsn(), folder).up()
    write("select 1;")
    with bare.connect() as other:
        pid = other.info.backend_pid
        other.execute(f"begin; lock table supabase_migrations.schema_migrations in {mode} mode")
        began = time.monotonic()
        with pytest.raises(LockContention) as caught:
            Runner(bare.dsn(), folder, wait=0.1, lock_timeout=30).up()
    assert [blocker.pid for blocker in caught.value.blockers] == [pid]
    assert time.monotonic() - began < 20  # in the server nobody waits for it


def test_a_history_that_is_completed_is_not_waited_for_for_ever(
    bare: Database, write: Write
) -> None:
    with bare.connect() as other:
        other.execute(
            "create schema supabase_migrations;"
            "create table supabase_migrations.schema_migrations (version text primary key)"
        )
        other.execute(f'alter database "{bare.name}" set statement_timeout = 20000')
        other.execute("begin; select from supabase_migrations.schema_migrations")
        with pytest.raises(LockContention):
            Runner(bare.dsn(), write("select 1;"), wait=0.1).up()


def test_what_a_driver_says_without_a_code_is_a_lost_connection() -> None:
    """So psycopg tells, now and then, of a session that was ended behind a pooler."""
    assert is_lost(psycopg.InternalError("no code"))
    assert is_lost(psycopg.OperationalError("no code"))
    assert not is_lost(psycopg.DataError("no code"))


@pytest.mark.parametrize("runners", [2, 3])
def test_what_others_apply_meanwhile_is_not_applied_again(
    bare: Database, write: Write, runners: int
) -> None:
    folder = write(*(f"create table public.t{number} ();" for number in range(40)))
    with ThreadPoolExecutor(runners) as pool:
        runs = [pool.submit(Runner(bare.dsn(), folder).up) for _ in range(runners)]
        counts = [len(run.result().applied) for run in runs]
    assert sum(counts) == 40
    assert len(rows(bare)) == 40
