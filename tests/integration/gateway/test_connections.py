"""The pool, lost connections, and the schema cache's reload."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import PASSWORD, Database
from tillroll.server import free_port

from .conftest import SECRET, Api, serve, superuser, wait_until

BUSY = """select count(*) from pg_stat_activity
    where query like '%"sleep"%' and state = 'active'"""


def sleeping(api: Api) -> bool:
    found = api.sql(f"{BUSY} and datname = current_database() and pid <> pg_backend_pid()")
    return bool(found[0][0])


def test_sixteen_clients_share_ten_connections(shared: Database) -> None:
    with serve(shared) as api, ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda n: api.rpc("add", {"a": n}).json(), range(400)))
        open_ones = "select count(*) from pg_stat_activity where application_name = "
        connected = api.sql(f"{open_ones} 'tillroll-gateway' and datname = current_database()")
    assert answers == [n + 10 for n in range(400)]
    assert connected[0][0] <= 2 * 11  # another gateway may stand before the shared database


def test_no_free_connection_in_time(shared: Database) -> None:
    with serve(shared, pool_size=1, pool_timeout=0.1) as api, ThreadPoolExecutor(1) as other:
        asleep = other.submit(api.rpc, "sleep", {"seconds": 1})
        wait_until(lambda: sleeping(api))
        response = api.rpc("add", {"a": 1})
        assert (response.status_code, response.json()["code"]) == (504, "PGRST003")
        assert asleep.result().status_code == 204
        assert api.rpc("add", {"a": 1}).status_code == 200


def test_a_terminated_backend_is_503_and_replaced(shared: Database) -> None:
    with serve(shared, pool_size=1) as api, ThreadPoolExecutor(1) as other:
        pid = api.rpc("pid").json()
        asleep = other.submit(api.rpc, "sleep", {"seconds": 20})
        wait_until(lambda: sleeping(api))
        api.sql(f"select pg_terminate_backend({pid})")
        response = asleep.result()
        assert (response.status_code, response.json()["code"]) == (503, "57P01")
        fresh = api.rpc("pid").json()
        assert fresh != pid
        # One that ended while idle is noticed before anything is sent on it.
        api.sql(f"select pg_terminate_backend({fresh}, 5000)")
        assert api.rpc("pid").json() not in (pid, fresh)


class Relay:
    """A TCP relay to Postgres that can be cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._pairs += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        for end in self._pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._pairs.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


@pytest.fixture
def relay(own: Database) -> Iterator[Relay]:
    made = Relay(own.server.port)
    yield made
    made.close()


def uri(database: Database, port: int) -> str:
    return f"postgresql://authenticator:{PASSWORD}@127.0.0.1:{port}/{database.name}"


def test_a_connection_lost_during_a_call_is_named(own: Database, relay: Relay) -> None:
    with serve(own, db_uri=uri(own, relay.port)) as api, ThreadPoolExecutor(1) as other:
        asleep = other.submit(api.rpc, "sleep", {"seconds": 1})
        wait_until(lambda: sleeping(api))
        relay.cut()
        response = asleep.result()
        assert (response.status_code, response.json()["code"]) == (503, "PGRST001")
        assert api.rpc("add", {"a": 1}).status_code == 200


def test_an_unreachable_database_is_named(own: Database, relay: Relay) -> None:
    with serve(own, db_uri=uri(own, relay.port)) as api:
        assert api.rpc("add", {"a": 1}).status_code == 200
        relay.close()
        wait_until(lambda: api.rpc("add", {"a": 1}).status_code == 503)
        response = api.rpc("add", {"a": 1})
        assert (response.status_code, response.json()["code"]) == (503, "PGRST000")


def test_before_the_first_cache_every_answer_is_503(shared: Database) -> None:
    with serve(shared, db_uri=uri(shared, free_port())) as api:
        response = api.rpc("add", {"a": 1})
        assert (response.status_code, response.json()["code"]) == (503, "PGRST002")


@pytest.mark.parametrize("payload", ["reload schema", ""])
def test_a_notification_reloads_the_cache(own: Database, payload: str) -> None:
    with serve(own) as api:
        assert api.rpc("later").status_code == 404
        assert api.get("/later").status_code == 404
        superuser(
            own,
            "create function api.later() returns integer language sql as 'select 1';"
            "create view api.later as select 1 as one; grant select on api.later to anon;"
            f"notify pgrst, '{payload}'",
        )
        wait_until(lambda: api.rpc("later").status_code == 200)
        assert api.get("/later").json() == [{"one": 1}]
        superuser(own, "drop function api.later(); notify pgrst, 'reload schema'")
        wait_until(lambda: api.rpc("later").status_code == 404)


def test_a_replaced_function_needs_no_reload_to_run(own: Database) -> None:
    with serve(own, pool_size=1) as api:
        assert api.rpc("add", {"a": 1, "b": 1}).text == "2"
        superuser(
            own,
            "drop function api.add; create function api.add(a bigint, b bigint) returns bigint"
            " language sql as 'select a - b'",
        )
        assert api.rpc("add", {"a": 1, "b": 1}).text == "0"


def test_what_was_notified_while_the_listener_was_away_is_seen(own: Database, relay: Relay) -> None:
    with serve(own, db_uri=uri(own, relay.port)) as api:
        assert api.rpc("later").status_code == 404
        superuser(own, "create function api.later() returns integer language sql as 'select 1'")
        relay.cut()
        wait_until(lambda: api.rpc("later").status_code == 200)


def test_a_client_that_leaves_cancels_nothing(own: Database) -> None:
    superuser(
        own,
        "create function api.slow_write() returns void language sql as"
        " $$ select pg_sleep(0.3); insert into api.log (said) values ('slow') $$",
    )
    with serve(own) as api:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{api.url}/rpc/slow_write", json={}, timeout=0.1)
        wait_until(lambda: api.rpc("read_log").json() == 1)


def test_more_statements_than_are_kept_prepared(
    own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tillroll.local.gateway.pool._PREPARED", 5)
    with serve(own, pool_size=1) as api:
        for _ in range(3):
            for name in ("state", "read_state", "state_serializable", "pid", "nothing"):
                assert api.rpc(name).status_code in (200, 204)


@pytest.mark.parametrize("prepared", [True, False])
def test_statements_are_prepared_unless_the_settings_say_no(own: Database, prepared: bool) -> None:
    superuser(
        own,
        "create function api.kept() returns bigint language sql volatile as"
        " 'select count(*) from pg_prepared_statements'",
    )
    with serve(own, pool_size=1, prepared_statements=prepared) as api:
        kept = [api.rpc("kept").json() for _ in range(2)]
    assert bool(kept[-1]) is prepared


def test_the_command_serves_until_it_is_stopped(shared: Database) -> None:
    command = [sys.executable, "-m", "tillroll.local.gateway", "--port", "0"]
    command += ["--db-uri", shared.dsn("authenticator"), "--schemas", "api, other"]
    command += ["--anon-role", "anon", "--jwt-secret", SECRET, "--max-rows", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as gateway:
        try:
            assert gateway.stderr is not None
            url = gateway.stderr.readline().split()[-1]
            assert httpx.post(f"{url}/rpc/numbers", json={"n": 5}).json() == [1, 2]
        finally:
            gateway.terminate()
        assert gateway.wait(10) in (0, -15)


def test_a_short_secret_is_a_usage_error() -> None:
    command = [sys.executable, "-m", "tillroll.local.gateway", "--port", "0", "--db-uri", "x"]
    command += ["--schemas", "api", "--anon-role", "anon", "--jwt-secret", "short"]
    assert subprocess.run(command, capture_output=True).returncode == 2
