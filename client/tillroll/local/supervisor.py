"""The process that owns a stack: it starts Postgres, prepares it, and serves HTTP itself.

Its owner holds the other end of its stdin. When that closes, or the owner is gone, it stops; the
line `detach` on it lets it go on alone. What it has to say to the owner, `info` or `error`, is one
line of JSON on stdout. Its log is stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
import uvicorn
from psycopg import sql
from starlette.applications import Starlette

from tillroll.assets import asset
from tillroll.local import auth, postgrest
from tillroll.local.front import Front
from tillroll.local.state import (
    Secrets,
    StackError,
    StackInfo,
    hold,
    load_secrets,
    ports,
    read_info,
    write_info,
)
from tillroll.migrate import MigrateError, Runner
from tillroll.server import Server, ServerError

SCHEMAS = ("ledger",)
MAX_ROWS = 1000  # as supabase/config.toml says, and Supabase does


class _Told(BaseException):
    """SIGTERM: from `tillroll down`, or from the watch."""


def main(job: dict[str, Any]) -> int:
    """Run a stack until it is told to end; return the exit code."""
    signal.signal(signal.SIGTERM, _raise_told)
    watch = _Watch(job["owner"])
    try:
        with hold(Path(job["data_dir"])) as tell_ready:
            _run(job, watch, tell_ready)
    except _Told:
        pass
    except (StackError, ServerError, MigrateError) as failed:
        _say({"error": str(failed)})
        return 1
    except Exception as failed:
        traceback.print_exc()
        kind = f"{type(failed).__module__}.{type(failed).__qualname__}"
        _say({"error": f"{kind}: {failed}; see {job['data_dir']}/stack.log"})
        return 1
    return 1 if watch.lost_server else 0


def _raise_told(_: int, __: FrameType | None) -> None:
    raise _Told


def _say(answer: dict[str, object]) -> None:
    with contextlib.suppress(OSError):  # nobody may be left to hear it
        os.write(1, json.dumps(answer).encode() + b"\n")


class _Watch:
    """Ends this process, by SIGTERM to itself, when the owner or Postgres has gone."""

    def __init__(self, owner: int) -> None:
        self._owner = owner
        self._server: Server | None = None
        self.lost_server = False
        threading.Thread(target=self._look, daemon=True).start()

    @contextlib.contextmanager
    def over(self, server: Server) -> Iterator[None]:
        """Watch the server inside the `with`: after it, that it ends is as it should be."""
        self._server = server
        try:
            yield
        finally:
            self._server = None

    def _look(self) -> None:
        detached = False
        while True:
            readable, _, _ = select.select([] if detached else [0], [], [], 0.3)
            if readable:
                detached = os.read(0, 64) == b"detach\n"
                if not detached:
                    break
                _say({})
            if not detached and os.getppid() != self._owner:
                break
            server = self._server
            if server and not server.running and self._server:
                self.lost_server = True
                print("Postgres has ended: see postgres.log", file=sys.stderr, flush=True)
                break
        os.kill(os.getpid(), signal.SIGTERM)


def _run(job: dict[str, Any], watch: _Watch, tell_ready: Any) -> None:
    data_dir = Path(job["data_dir"])
    secrets = load_secrets(data_dir)
    last_api_port, last_db_port = ports(read_info(data_dir))
    with _listen(job["api_port"], last_api_port) as listener:
        api_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with _postgres(job, last_db_port) as server, watch.over(server):
            info = StackInfo(
                api_url=api_url,
                db_url=server.dsn(),
                owner_url=_login(server, secrets, "postgres"),
                anon_key=secrets.anon_key,
                service_role_key=secrets.service_role_key,
                jwt_secret=secrets.jwt_secret,
                data_dir=str(data_dir),
            )
            _prepare(info, secrets)
            with _gateway(job["gateway"], server, secrets) as rest:
                settings = auth.AuthSettings(
                    db_uri=_login(server, secrets, "supabase_auth_admin"),
                    jwt_secret=secrets.jwt_secret,
                    issuer=f"{api_url}/auth/v1",
                )
                front = Front(
                    rest=rest,
                    auth=auth.create_app(settings),
                    keys=(secrets.anon_key, secrets.service_role_key),
                )
                _Http(front, info, tell_ready).run(sockets=[listener])


def _login(server: Server, secrets: Secrets, role: str) -> str:
    return server.dsn(user=role, password=secrets.passwords[role])


def _listen(wanted: int | None, preferred: int | None) -> socket.socket:
    for port in (wanted,) if wanted else (preferred, 0):
        if port is None:
            continue
        try:
            return socket.create_server(("127.0.0.1", port), backlog=2048)
        except (OSError, OverflowError) as taken:
            refused = taken
    raise StackError(
        f"port {wanted} cannot be used for the API ({refused}): choose another --api-port, or "
        "stop what listens there"
    ) from refused


@contextlib.contextmanager
def _postgres(job: dict[str, Any], preferred: int | None) -> Iterator[Server]:
    wanted = job["db_port"]

    def make(port: int | None) -> Server:
        return Server(job["data_dir"], port=port, durable=job["durable"])

    server = make(wanted or preferred)
    try:
        server.start()
    except ServerError:
        if wanted or preferred is None:
            raise
        server = make(None)  # somebody else has last time's port
        server.start()
    with server:
        yield server


def _prepare(info: StackInfo, secrets: Secrets) -> None:
    """Make a Supabase project of the database, and apply what migrations it lacks."""
    with psycopg.connect(info.db_url, autocommit=True) as admin:
        for file in sorted(asset("sql/platform").glob("*.sql")):
            admin.execute(file.read_bytes())
        for role, password in secrets.passwords.items():
            admin.execute(
                sql.SQL("alter role {} password {}").format(
                    sql.Identifier(role), sql.Literal(password)
                )
            )
    Runner(info.owner_url, asset("supabase/migrations")).up()


@contextlib.contextmanager
def _gateway(kind: str, server: Server, secrets: Secrets) -> Iterator[Starlette]:
    db_uri = _login(server, secrets, "authenticator")
    if kind == "postgrest":
        with postgrest.launched(db_uri, SCHEMAS, secrets.jwt_secret, MAX_ROWS) as proxy:
            yield proxy
    else:
        from tillroll.local.gateway import Settings, create_app

        settings = Settings(
            db_uri=db_uri,
            schemas=SCHEMAS,
            jwt_secret=secrets.jwt_secret,
            max_rows=MAX_ROWS,
            extra_search_path=(),
        )
        yield create_app(settings)


class _Http(uvicorn.Server):
    """Serves until SIGTERM; tells the owner when it does."""

    def __init__(self, front: Front, info: StackInfo, tell_ready: Any) -> None:
        super().__init__(
            uvicorn.Config(
                front,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="on",
                access_log=False,
                log_level="warning",
                server_header=False,
                timeout_keep_alive=75,  # longer than clients keep an idle connection
                timeout_graceful_shutdown=5,
            )
        )
        self._info = info
        self._tell_ready = tell_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            raise StackError(f"the HTTP side did not start; see {self._info.data_dir}/stack.log")
        write_info(self._info)
        self._tell_ready()
        _say({"info": {**vars(self._info)}})


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
