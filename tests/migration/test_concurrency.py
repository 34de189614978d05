"""Exactly once and all or nothing: several runners, killed runners, lost connections."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import Database
from tests.migration.conftest import Write
from tests.migration.test_up import has, rows
from tests.waiting import until
from tillroll.migrate import ConnectionFailed, Runner

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
    """

    def __init__(self, port: int, *, forward: bool) -> None:
        self._target = ("127.0.0.1", port)
        self._forward = forward
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
