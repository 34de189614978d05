"""The launcher: what it leaves behind, what it recovers, how it refuses."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

import tillroll.server
from tests.conftest import missing
from tests.waiting import gone, until
from tillroll.server import Server, ServerError, find_binaries, free_port

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's own: those lie below a folder that only its owner may enter.
    made = Path(tempfile.mkdtemp(prefix="tillroll-server-"))
    yield made
    with contextlib.suppress(OSError):
        moved = (made / "pgdata").readlink().parent
        shutil.rmtree(moved)
    shutil.rmtree(made)


def as_the_servers_user() -> dict[str, Any]:
    group = pwd.getpwnam("nobody").pw_gid
    return {"user": "nobody", "group": group, "extra_groups": []} if AS_ROOT else {}


def works(server: Server) -> bool:
    with psycopg.connect(server.dsn()) as db:
        return db.execute("select 1").fetchone() == (1,)


def family(pid: int) -> list[psutil.Process]:
    me = psutil.Process(pid)
    return [me, *me.children(recursive=True)]


OWNER = textwrap.dedent(
    """
    import sys
    from tillroll.server import Server
    server = Server(sys.argv[1], durable=False).start()
    print(server.pid, server.port, flush=True)
    sys.stdin.read()
    """
)


@contextlib.contextmanager
def owner(
    folder: Path, script: str = OWNER, python: str = sys.executable, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A process that owns a server and waits; it has printed pid and port."""
    process = subprocess.Popen(
        [python, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    with process:
        yield process
        process.kill()


def test_a_stopped_server_leaves_no_process_and_keeps_its_data(folder: Path) -> None:
    with Server(folder, durable=False) as server:
        assert server.pid is not None
        processes = family(server.pid)
        with psycopg.connect(server.dsn()) as db:
            db.execute("create table t as select 7 as n")
    assert gone(processes)
    assert [server.running, server.pid] == [False, None]
    with Server(folder, durable=False) as server, psycopg.connect(server.dsn()) as db:
        assert db.execute("select n from t").fetchone() == (7,)


def test_it_listens_on_loopback_alone_and_asks_for_the_password(folder: Path) -> None:
    with Server(folder, durable=False) as server:
        assert server.pid is not None
        listening = [
            each.laddr.ip
            for each in psutil.Process(server.pid).net_connections()
            if each.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn(password="wrong"))
    assert (folder / "password").stat().st_mode & 0o777 == 0o600


def test_killing_the_owner_ends_postgres(folder: Path) -> None:
    with owner(folder) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline().split()[0])
        processes = [*family(pid), psutil.Process(psutil.Process(pid).ppid())]
        process.kill()
        until(lambda: gone(processes))


def test_a_fork_of_the_owner_does_not_keep_postgres_alive(folder: Path) -> None:
    script = textwrap.dedent(
        """
        import os, sys, time
        from tillroll.server import Server
        server = Server(sys.argv[1], durable=False).start()
        fork = os.fork()
        if fork == 0:
            time.sleep(60)
            os._exit(0)
        print(server.pid, fork, flush=True)
        sys.stdin.read()
        """
    )
    with owner(folder, script) as process:
        assert process.stdout is not None
        pid, fork = map(int, process.stdout.readline().split())
        processes = family(pid)
        process.kill()
        try:
            until(lambda: gone(processes))
            assert psutil.pid_exists(fork)
        finally:
            os.kill(fork, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_killing_the_guard_ends_postgres(folder: Path) -> None:
    with Server(folder, durable=False) as server:
        assert server.pid is not None
        guard = psutil.Process(psutil.Process(server.pid).ppid())
        processes = family(server.pid)
        guard.kill()
        until(lambda: gone(processes))
        assert not server.running
        assert works(server.start())


def test_a_server_without_a_guard_is_ended_by_the_next_start(folder: Path) -> None:
    with Server(folder, durable=False) as server:
        pass
    bin_dir = find_binaries()
    orphan = subprocess.Popen(
        [
            *(str(bin_dir / "postgres"), "-D", str((folder / "pgdata").resolve())),
            *("-p", str(free_port()), "-c", "unix_socket_directories="),
        ],
        stderr=subprocess.DEVNULL,
        cwd="/",
        **as_the_servers_user(),
    )
    with orphan:
        state = folder / "pgdata" / "postmaster.pid"
        until(lambda: state.exists() and "ready" in state.read_text())
        with server:
            assert orphan.wait(10) is not None
            assert works(server)


def test_data_survive_a_kill_of_everything(folder: Path) -> None:
    with Server(folder) as server:
        assert server.pid is not None
        with psycopg.connect(server.dsn()) as db:
            db.execute("create table t as select 7 as n")
        guard = psutil.Process(psutil.Process(server.pid).ppid())
        processes = [guard, *family(server.pid)]
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        until(lambda: gone(processes))
    with Server(folder) as server, psycopg.connect(server.dsn()) as db:
        assert db.execute("select n from t").fetchone() == (7,)


def test_a_pid_file_that_names_another_program_is_no_obstacle(folder: Path) -> None:
    with Server(folder, durable=False) as server:
        state = folder / "pgdata" / "postmaster.pid"
        left = state.read_text().split("\n", 1)[1]
    # A program of the same user, as Postgres does not mind the others.
    with subprocess.Popen(["sleep", "60"], cwd="/", **as_the_servers_user()) as other:
        state.write_text(f"{other.pid}\n{left}")
        with server:
            assert works(server)
        other.kill()


def test_a_cluster_whose_making_was_killed_is_made_anew(folder: Path) -> None:
    with owner(folder) as process:
        until(lambda: any(folder.glob("pgdata*/PG_VERSION")))
        processes = family(process.pid)
        for each in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        until(lambda: gone(processes))
    with Server(folder, durable=False) as server:
        assert works(server)


def test_a_directory_is_one_servers(folder: Path) -> None:
    with Server(folder, durable=False):
        with pytest.raises(ServerError, match=str(folder)):
            Server(folder, durable=False).start()


def test_a_start_waits_for_the_server_of_an_owner_who_has_just_died(folder: Path) -> None:
    with owner(folder) as process:
        assert process.stdout is not None
        postgres = psutil.Process(int(process.stdout.readline().split()[0]))
        postgres.suspend()
        process.kill()
    until(lambda: "stopping" in (folder / "lock").read_text())
    server = Server(folder, durable=False)
    with ThreadPoolExecutor(1) as threads:
        starting = threads.submit(server.start)
        with pytest.raises(TimeoutError):
            starting.result(1.5)
        postgres.resume()
        assert works(starting.result(30))
    server.stop()


def test_a_taken_port_is_told_and_nothing_is_left(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(folder, durable=False, port=port)
        with pytest.raises(ServerError, match=str(port)):
            server.start()
    assert not server.running
    with server:
        assert server.port == port


def test_a_directory_that_is_not_ours_is_left_alone(folder: Path) -> None:
    (folder / "pgdata").mkdir()
    (folder / "pgdata" / "letter.txt").write_text("Dear …")
    with pytest.raises(ServerError):
        Server(folder).start()
    assert (folder / "pgdata" / "letter.txt").exists()


def test_a_file_in_the_way_is_told(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(ServerError):
        Server(folder / "file").start()


def test_another_major_version_is_told(folder: Path) -> None:
    with Server(folder, durable=False) as server:
        pass
    (folder / "pgdata" / "PG_VERSION").write_text("12\n")
    with pytest.raises(ServerError, match="12"):
        server.start()


def test_a_bad_setting_is_told_in_postgres_words(folder: Path) -> None:
    with pytest.raises(ServerError, match="no_such_setting"):
        Server(folder, settings={"no_such_setting": "1"}, durable=False).start()


def test_a_folder_without_programs_is_told(folder: Path) -> None:
    with pytest.raises(ServerError):
        find_binaries(folder)


@pytest.mark.skipif(not AS_ROOT, reason="only root's servers change their user")
class TestAsRoot:
    def test_what_nobody_cannot_reach_is_put_where_it_can(self, folder: Path) -> None:
        folder.chmod(0o700)
        home = find_binaries().parent
        package = folder / home.parent.name
        shutil.copytree(home, package / home.name)
        libraries = home.parent.with_name(f"{home.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.name)
        data = folder / "data"
        try:
            with Server(data, bin_dir=package / home.name / "bin") as server:
                assert server.pid is not None
                process = psutil.Process(server.pid)
                assert process.username() == "nobody"
                copied = Path(process.exe()).parents[3]
                assert works(server)
                with psycopg.connect(server.dsn()) as db:
                    db.execute("create table t as select 7 as n")
            assert folder.stat().st_mode & 0o777 == 0o700
            with Server(data) as server, psycopg.connect(server.dsn()) as db:
                assert db.execute("select n from t").fetchone() == (7,)
        finally:
            shutil.rmtree((data / "pgdata").resolve().parent)
        shutil.rmtree(copied)

    def test_an_ordinary_user_needs_no_root(self, folder: Path) -> None:
        her = as_the_servers_user()
        folder.chmod(0o777)
        with Server(folder / "his", durable=False) as server:
            assert server.pid is not None
            bin_dir = Path(psutil.Process(server.pid).exe()).parent
        # The launcher is one file that needs nothing but Python: hers may be another one.
        alone = shutil.copy(tillroll.server.__file__, folder / "launcher.py")
        Path(alone).chmod(0o644)
        script = OWNER.replace("tillroll.server", "launcher").replace(
            "durable=False", f"durable=False, bin_dir={str(bin_dir)!r}"
        )
        with owner(folder / "hers", script, python=python_for(her), cwd=folder, **her) as process:
            assert process.stdout is not None
            pid = int(process.stdout.readline().split()[0])
            processes = family(pid)
            assert psutil.Process(pid).username() == "nobody"
            process.kill()
            until(lambda: gone(processes))


def python_for(user: dict[str, Any]) -> str:
    """A Python that `user` may run: root's own often lies where only root may go."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError):
            new_enough = "import sys; sys.exit(sys.version_info < (3, 11))"
            if subprocess.run([python, "-c", new_enough], cwd="/", **user).returncode == 0:
                return python
    missing("a Python that an ordinary user can run")
    raise AssertionError
