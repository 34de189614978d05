"""The gateway under a real server, before a small schema of its own."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.conftest import Cluster, Database, cluster_of
from tillroll.local.gateway import Settings, create_app

SECRET = "a-secret-that-only-these-tests-know-of"
SCHEMA = Path(__file__).with_name("schema.sql")


def wait_until(holds: Callable[[], object], seconds: float = 10) -> None:
    """Return once it holds; fail where it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never held"
        time.sleep(0.01)


def token(**claims: Any) -> dict[str, str]:
    """Headers of a caller with these claims; role is `authenticated` unless given."""
    claims = {"role": "authenticated", **claims}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}


@dataclass
class Api:
    """A running gateway: its database, its URL, a client."""

    database: Database
    url: str
    http: httpx.Client

    def rpc(
        self, name: str, body: str | dict[str, Any] | None = None, **headers: str
    ) -> httpx.Response:
        content = body if isinstance(body, str) else json.dumps(body or {})
        sent = {"Content-Type": "application/json", **_dashed(headers)}
        return self.http.post(f"/rpc/{name}", content=content, headers=sent)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers=_dashed(headers))

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return superuser(self.database, statement)


def superuser(database: Database, statement: str) -> list[tuple[Any, ...]]:
    """Execute a statement past the gateway."""
    with psycopg.connect(database.dsn("supabase_admin"), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@contextlib.contextmanager
def serve(database: Database, **settings: Any) -> Iterator[Api]:
    """Run a gateway on a free port, in a thread."""
    uri = settings.pop("db_uri", database.dsn("authenticator"))
    schemas = settings.pop("schemas", ("api", "other"))
    prefix = settings.pop("prefix", "")
    app = create_app(Settings(uri, schemas, SECRET, **settings))
    if prefix:
        lifespan = app.router.lifespan_context
        app = Starlette(routes=[Mount(prefix, app=app)], lifespan=lifespan)
    config = uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}{prefix}"
        with httpx.Client(base_url=url, timeout=20) as http:
            yield Api(database, url, http)
    finally:
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def prepared_database(cluster: Cluster) -> Iterator[Database]:
    """A database with the tests' schema."""
    database = cluster.database("bare")
    try:
        with psycopg.connect(database.dsn("supabase_admin"), autocommit=True) as admin:
            admin.execute(SCHEMA.read_text())
        yield database
    finally:
        cluster.drop(database)


@pytest.fixture(scope="package")
def shared() -> Iterator[Database]:
    """A database that all tests share: they leave its schema as it is."""
    with prepared_database(cluster_of("18")) as database:
        yield database


@pytest.fixture
def own() -> Iterator[Database]:
    """A database of one test."""
    with prepared_database(cluster_of("18")) as database:
        yield database


@pytest.fixture(scope="package")
def api(shared: Database) -> Iterator[Api]:
    """A gateway with default settings before the shared database."""
    with serve(shared) as running:
        yield running
