"""The stack as a whole: its life, its end, and what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
from tests.integration.local.conftest import new_folder
from tests.waiting import gone, until

from tillroll.local.stack import Stack, StackError, StackInfo, running, stop

TILLROLL = [sys.executable, "-c", "from tillroll.cli import main; main()"]
PERSON = {"email": "ada@example.com", "password": "correct horse"}


@pytest.fixture
def folder() -> Iterator[Path]:
    made = new_folder()
    yield made
    stop(made)
    shutil.rmtree(made)


def tillroll(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*TILLROLL, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def supervisor(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "stack.lock").read_text().split()[0]))


def family(process: psutil.Process) -> list[psutil.Process]:
    """The process, Postgres' guard, Postgres and its backends."""
    found = [process, *process.children(recursive=True)]
    assert len(found) > 3
    return found


def users_of(folder: Path) -> list[psutil.Process]:
    return [
        each
        for each in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(each.info["cmdline"] or ())
    ]


def is_free(url: str) -> bool:
    host, port = url.rsplit("@")[-1].removeprefix("http://").split("/")[0].split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        return False
    return True


def sign(info: StackInfo, path: str) -> httpx.Response:
    url = f"{info.api_url}/auth/v1/{path}"
    return httpx.post(url, json=PERSON, headers={"apikey": info.anon_key})


class TestCommands:
    def test_up_status_and_down_tell_one_story(self, folder: Path) -> None:
        up = tillroll("up", "--json", "--data-dir", folder)
        assert up.returncode == 0, up.stderr
        told = json.loads(up.stdout)
        assert told == asdict(StackInfo(**told))
        info = StackInfo(**told)
        assert info.data_dir == str(folder)
        processes = family(supervisor(folder))
        assert sign(info, "signup").status_code == 200
        with psycopg.connect(info.db_url) as db:
            role = "select rolname, rolsuper from pg_roles where rolname = current_user"
            assert db.execute(role).fetchone() == ("supabase_admin", True)
        with psycopg.connect(info.owner_url) as db:
            assert db.execute(role).fetchone() == ("postgres", False)

        status = tillroll("status", "--json", "--data-dir", folder)
        assert json.loads(status.stdout) == {"running": True, **told}
        again = tillroll("up", "--json", "--data-dir", folder)
        assert (again.returncode, json.loads(again.stdout)) == (0, told)

        down = tillroll("down", "--json", "--data-dir", folder)
        assert (down.returncode, json.loads(down.stdout)["stopped"]) == (0, True)
        until(lambda: gone(processes))
        assert is_free(info.api_url)
        assert is_free(info.db_url)
        down = tillroll("down", "--json", "--data-dir", folder)
        assert (down.returncode, json.loads(down.stdout)["stopped"]) == (0, False)
        status = tillroll("status", "--json", "--data-dir", folder)
        assert (status.returncode, json.loads(status.stdout)["running"]) == (0, False)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, None])
    def test_the_foreground_and_its_stack_end_together(
        self, folder: Path, number: signal.Signals | None
    ) -> None:
        command = [*TILLROLL, "up", "--foreground", "--json", "--data-dir", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            until(lambda: running(folder) is not None, 60)
            assert json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")
            processes = family(supervisor(folder))
            if number is None:
                stop(folder)
            else:
                process.send_signal(number)
            process.wait(30)
        until(lambda: gone(processes))
        if number is not signal.SIGKILL:
            assert process.returncode == 0

    def test_what_up_says_to_type_next_works(self, folder: Path) -> None:
        up = tillroll("up", "--data-dir", folder)
        assert up.returncode == 0, up.stderr
        assert up.stdout.startswith("API ")
        steps = [line for line in up.stderr.splitlines() if line][1:]
        bin_dir = Path(sys.executable).parent
        search = {**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}"}
        assert len(steps) == 3
        for step in steps:
            ended = subprocess.run(step, shell=True, capture_output=True, env=search, timeout=60)
            assert ended.returncode == 0, (step, ended.stderr)

    @pytest.mark.parametrize("flag", ["--api-port", "--db-port"])
    def test_a_taken_port_is_a_failure_that_leaves_nothing(self, folder: Path, flag: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            up = tillroll("up", "--json", "--data-dir", folder, flag, port)
        assert up.returncode == 1
        assert port in json.loads(up.stdout)["error"]["message"]
        assert "Traceback" not in up.stderr
        assert running(folder) is None
        assert not users_of(folder)


class TestLife:
    def test_people_books_keys_and_ports_survive_a_restart(self, folder: Path) -> None:
        with Stack(folder) as first:
            signed_up = sign(first, "signup").json()
            with psycopg.connect(first.owner_url) as db:
                db.execute("create table public.mine as select 7 as n")
        with Stack(folder) as second:
            assert second == first
            assert sign(second, "token?grant_type=password").status_code == 200
            url, token = f"{second.api_url}/auth/v1/user", signed_up["access_token"]
            headers = {"apikey": second.anon_key, "authorization": f"Bearer {token}"}
            assert httpx.get(url, headers=headers).status_code == 200
            with psycopg.connect(second.owner_url) as db:
                assert db.execute("select n from public.mine").fetchone() == (7,)

    def test_ports_can_be_chosen_and_two_stacks_stand_side_by_side(
        self, folder: Path, stack: StackInfo
    ) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as a,
            socket.create_server(("127.0.0.1", 0)) as b,
        ):
            api_port, db_port = a.getsockname()[1], b.getsockname()[1]
        with Stack(folder, api_port=api_port, db_port=db_port, durable=False) as info:
            assert info.api_url == f"http://127.0.0.1:{api_port}"
            assert f"@127.0.0.1:{db_port}/" in info.db_url
            assert info.jwt_secret != stack.jwt_secret
            for mine, other in ((info, stack), (stack, info)):
                url = f"{mine.api_url}/auth/v1/health"
                assert httpx.get(url, headers={"apikey": mine.anon_key}).is_success
                assert httpx.get(url, headers={"apikey": other.anon_key}).status_code == 401

    def test_a_directory_has_one_stack(self, stack: StackInfo) -> None:
        with pytest.raises(StackError):
            Stack(stack.data_dir).start()
        assert running(stack.data_dir) == stack

    def test_a_directory_that_cannot_be_made_is_told(self, folder: Path) -> None:
        (folder / "file").write_text("")
        with pytest.raises(StackError):
            Stack(folder / "file" / "below").start()

    def test_secrets_are_for_their_owner_alone(self, stack: StackInfo) -> None:
        for name in ("secrets.json", "stack.json", "stack.log", "password", "postgres.log"):
            mode = (Path(stack.data_dir) / name).stat().st_mode
            assert stat.S_IMODE(mode) == 0o600, name
        assert stack.jwt_secret not in repr(stack)

    def test_it_listens_on_loopback_alone(self, stack: StackInfo) -> None:
        listening = {
            each.laddr.ip
            for process in family(supervisor(Path(stack.data_dir)))
            for each in process.net_connections()
            if each.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}


# A fork of the caller holds its pipes open for longer than it lives.
OWNER = """
import os, sys, time
from tillroll.local.stack import Stack
stack = Stack(sys.argv[1], durable=False)
stack.start()
fork = os.fork()
if fork == 0:
    time.sleep(60)
    os._exit(0)
print(fork, flush=True)
sys.stdin.read()
"""


class TestEnd:
    def test_killing_the_caller_ends_everything(self, folder: Path) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", OWNER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as caller:
            assert caller.stdout is not None
            fork = psutil.Process(int(caller.stdout.readline()))
            info = running(folder)
            assert info is not None
            processes = family(supervisor(folder))
            caller.kill()
            try:
                until(lambda: gone(processes))
                assert fork.is_running()
            finally:
                fork.kill()
        assert is_free(info.api_url)
        assert is_free(info.db_url)

    def test_killing_the_caller_while_it_starts_ends_everything(self, folder: Path) -> None:
        with subprocess.Popen([sys.executable, "-c", OWNER, str(folder)]) as caller:
            until(lambda: (folder / "pgdata").exists() or (folder / "pgdata.new").exists())
            started = supervisor(folder)
            caller.kill()
        until(lambda: gone([started]))
        until(lambda: not users_of(folder))

    @pytest.mark.parametrize("detached", [True, False])
    def test_killing_the_supervisor_ends_everything_and_the_next_start_recovers(
        self, folder: Path, detached: bool
    ) -> None:
        first = Stack(folder)
        info = first.start(detached=detached)
        assert sign(info, "signup").is_success
        processes = family(supervisor(folder))
        processes[0].kill()
        until(lambda: gone(processes))
        first.stop()
        assert running(folder) is None
        with Stack(folder) as again:
            assert again == info
            assert sign(again, "token?grant_type=password").is_success

    def test_a_start_right_after_a_kill_waits_for_the_old_servers_end(self, folder: Path) -> None:
        info = Stack(folder).start(detached=True)
        supervisor(folder).kill()
        with Stack(folder) as again:
            assert again.db_url == info.db_url

    def test_the_stack_ends_when_postgres_does(self, folder: Path) -> None:
        stack = Stack(folder, durable=False)
        info = stack.start()
        processes = family(supervisor(folder))
        [postgres] = [
            each
            for each in processes
            if each.name() == "postgres" and each.parent().name() != "postgres"
        ]
        postgres.kill()
        assert stack.wait() == 1
        stack.stop()
        until(lambda: gone(processes))
        assert is_free(info.api_url)

    def test_a_detached_stack_outlives_its_caller(self, folder: Path) -> None:
        script = OWNER.replace("start()", "start(detached=True); sys.exit()")
        subprocess.run([sys.executable, "-c", script, str(folder)], input=b"", check=True)
        info = running(folder)
        assert info is not None
        assert sign(info, "signup").is_success
        assert stop(folder)
        assert not stop(folder)


def test_a_supervisor_that_dies_at_once_is_quoted_from_this_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder / "python"
    program.write_text('#!/bin/sh\necho Traceback >&2\necho "$WORDS" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("WORDS", "ImportError: first")
    with pytest.raises(StackError, match="ImportError: first"):
        Stack(folder).start()
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(StackError) as silent:
        Stack(folder).start()
    assert "first" not in str(silent.value)


def test_a_database_that_is_ahead_of_the_migrations_is_refused(folder: Path) -> None:
    with Stack(folder, durable=False) as info, psycopg.connect(info.owner_url) as db:
        db.execute(
            "insert into supabase_migrations.schema_migrations (version, name) "
            "values ('99990101000000', 'from_the_future')"
        )
    with pytest.raises(StackError):
        Stack(folder, durable=False).start()
    assert running(folder) is None


POSTGREST = """#!{python}
import http.server, os, sys, threading
from tillroll.local.gateway.__main__ import main

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

env = os.environ
admin = http.server.HTTPServer(("127.0.0.1", int(env["PGRST_ADMIN_SERVER_PORT"])), Ready)
threading.Thread(target=admin.serve_forever, daemon=True).start()
sys.argv[1:] = [
    "--db-uri", env["PGRST_DB_URI"], "--schemas", env["PGRST_DB_SCHEMAS"],
    "--anon-role", env["PGRST_DB_ANON_ROLE"], "--jwt-secret", env["PGRST_JWT_SECRET"],
    "--port", env["PGRST_SERVER_PORT"], "--max-rows", env["PGRST_DB_MAX_ROWS"],
]
sys.exit(main())
"""


class TestPostgrest:
    """With a stand-in of its own process, its own port and its own settings."""

    @pytest.fixture
    def named(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program = folder / "postgrest-stand-in"
        program.write_text(POSTGREST.format(python=sys.executable))
        program.chmod(0o755)
        monkeypatch.setenv("TILLROLL_POSTGREST", str(program))

    @pytest.mark.usefixtures("named")
    def test_it_stands_behind_the_same_front_and_ends_with_the_stack(self, folder: Path) -> None:
        stack = Stack(folder, gateway="postgrest", durable=False)
        info = stack.start()
        processes = family(supervisor(folder))
        assert any("postgrest-stand-in" in " ".join(each.cmdline()) for each in processes)
        headers = {"apikey": info.service_role_key, "content-profile": "ledger"}
        book = {"name": "Küche", "base_currency": "EUR"}
        rpc = f"{info.api_url}/rest/v1/rpc"
        made = httpx.post(f"{rpc}/create_book", json=book, headers=headers)
        assert (made.status_code, made.json()["name"]) == (200, "Küche")
        found = httpx.get(
            f"{info.api_url}/rest/v1/books",
            params={"select": "name", "name": "eq.Küche"},
            headers={"apikey": info.service_role_key, "accept-profile": "ledger"},
        )
        assert found.json() == [{"name": "Küche"}]
        assert httpx.post(f"{rpc}/create_book", json=book).status_code == 401
        assert httpx.post(f"{rpc}/nothing", json={}, headers=headers).status_code == 404
        processes[0].kill()
        until(lambda: gone(processes))
        stack.stop()

    def test_without_one_the_stack_says_so(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TILLROLL_POSTGREST", str(folder / "nothing"))
        with pytest.raises(StackError, match="TILLROLL_POSTGREST"):
            Stack(folder, gateway="postgrest", durable=False).start()
        assert running(folder) is None
