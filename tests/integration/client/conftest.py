"""One test body for four ways: sync and async, HTTP and direct, with the same user's rights."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import jwt
import psycopg
import pytest
import uvicorn

from tests.clock import VirtualClock
from tests.conftest import Database, cluster_of
from tests.integration.client.proxy import Proxy, proxy
from tillroll import AsyncTillroll, RetryPolicy, Tillroll
from tillroll.local import auth, front, gateway

SECRET = "a-secret-that-only-these-tests-know-of"
WAYS = ("http", "async http", "direct", "async direct")


def token_of(role: str, **claims: Any) -> str:
    return jwt.encode({"role": role, **claims}, SECRET, "HS256")


ANON_KEY = token_of("anon")


class Backend:
    """A migrated database with the gateway and the sign-in in front of it."""

    def __init__(self, database: Database, url: str) -> None:
        self.database, self.url = database, url

    def user(self) -> uuid.UUID:
        """A new signed-up user."""
        made = uuid.uuid4()
        with self.database.connect() as owner:
            owner.execute("insert into auth.users (id) values (%s)", [made])
        return made

    def token(self, user: uuid.UUID) -> str:
        return token_of("authenticated", sub=str(user))

    def dsn(self, user: uuid.UUID) -> str:
        """Connection URL that acts as PostgREST does for this user."""
        claims = json.dumps({"sub": str(user), "role": "authenticated"}, separators=(",", ":"))
        options = f"-c role=authenticated -c request.jwt.claims={claims}"
        return f"{self.database.dsn('authenticator')}?options={quote(options)}"

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.dsn("supabase_admin"), autocommit=True) as admin:
            cursor = admin.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def serve(database: Database, **settings: Any) -> Iterator[Backend]:
    rest = gateway.create_app(
        gateway.Settings(database.dsn("authenticator"), ("ledger",), SECRET, **settings)
    )
    sign_in = auth.create_app(
        auth.AuthSettings(database.dsn("supabase_auth_admin"), SECRET, "http://127.0.0.1/auth/v1")
    )
    app = front.Front(rest=rest, auth=sign_in, keys=(ANON_KEY,))
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Backend(database, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="package")
def backend() -> Iterator[Backend]:
    """One for all tests of this folder: each makes its own users and books."""
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    try:
        with serve(database) as running:
            yield running
    finally:
        cluster.drop(database)


class Driven:
    """An async client as if it were sync: coroutines are run, async iterators are read."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner, self._runner = inner, runner

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        return self._sync(attribute) if callable(attribute) else attribute

    def _sync(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            given = function(*arguments, **named)
            if inspect.isawaitable(given):
                return self._runner.run(_awaited(given))
            if hasattr(given, "__aiter__"):
                return self._runner.run(_collected(given))
            return Driven(given, self._runner)

        return call


async def _awaited(given: Any) -> Any:
    return await given


async def _collected(given: Any) -> list[Any]:
    return [each async for each in given]


class Clients:
    """Makes clients of one way; closes them at the end."""

    def __init__(self, way: str, backend: Backend, cleanup: ExitStack) -> None:
        self.way, self.backend = way, backend
        self._cleanup = cleanup
        self._runner: asyncio.Runner | None = None

    def __call__(self, user: uuid.UUID, url: str = "", **settings: Any) -> Any:
        """A client that acts as the user; its retries wait on a virtual clock."""
        settings.setdefault("retry", RetryPolicy(clock=VirtualClock()))
        if self.way.endswith("direct"):
            return self.direct(self.backend.dsn(user), **settings)
        kind = AsyncTillroll if self.way.startswith("async") else Tillroll
        token = self.backend.token(user)
        url = url or self.backend.url
        return self._kept(kind.connect(url, ANON_KEY, access_token=token, **settings))

    def direct(self, database: Any, **settings: Any) -> Any:
        settings.setdefault("retry", RetryPolicy(clock=VirtualClock()))
        kind = AsyncTillroll if self.way.startswith("async") else Tillroll
        return self._kept(kind.direct(database, **settings))

    @property
    def runner(self) -> asyncio.Runner:
        if self._runner is None:
            self._runner = self._cleanup.enter_context(asyncio.Runner())
        return self._runner

    def _kept(self, client: Any) -> Any:
        kept = Driven(client, self.runner) if self.way.startswith("async") else client
        self._cleanup.callback(kept.close)
        return kept


@pytest.fixture(params=WAYS)
def clients(request: pytest.FixtureRequest, backend: Backend) -> Iterator[Clients]:
    """Clients of each way."""
    with ExitStack() as cleanup:
        yield Clients(request.param, backend, cleanup)


@pytest.fixture(params=["http", "async http"])
def http_clients(request: pytest.FixtureRequest, backend: Backend) -> Iterator[Clients]:
    """Clients over HTTP, sync and async."""
    with ExitStack() as cleanup:
        yield Clients(request.param, backend, cleanup)


@pytest.fixture(params=["direct", "async direct"])
def direct_clients(request: pytest.FixtureRequest, backend: Backend) -> Iterator[Clients]:
    """Clients over a direct connection, sync and async."""
    with ExitStack() as cleanup:
        yield Clients(request.param, backend, cleanup)


class Home:
    """A book of alice's with money outside of it and two empty accounts."""

    def __init__(self, clients: Clients) -> None:
        self._run = clients.runner.run
        self.alice = clients.backend.user()
        self.client = clients(self.alice)
        self.book = self.client.book(
            self.client.create_book(name="Household", base_currency="EUR").id
        )
        self.world = self.open("world", "equity")
        self.bank = self.open("bank", "asset")
        self.cash = self.open("cash", "asset")

    def run(self, given: Any) -> Any:
        """What an async call gives, where the client's parts are called by themselves."""
        return self._run(_awaited(given))

    def open(self, name: str, kind: str) -> uuid.UUID:
        opened = self.book.open_account(name=name, type=kind, currency="EUR", code=f"{kind}:{name}")
        return uuid.UUID(str(opened.id))

    def fund(self, amount: int, **more: Any) -> Any:
        return self.book.transfer(
            from_account_id=self.world, to_account_id=self.bank, amount=amount, **more
        )

    def posted(self, account: uuid.UUID) -> int:
        return int(self.book.get_balance(account_id=account).posted)


@pytest.fixture
def home(clients: Clients) -> Home:
    return Home(clients)


@pytest.fixture
def http_home(http_clients: Clients) -> Home:
    return Home(http_clients)


@pytest.fixture
def wire(http_home: Home, http_clients: Clients) -> Iterator[Proxy]:
    with proxy(http_clients.backend.url) as running:
        yield running


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(chance=0.5)


@pytest.fixture
def client(http_home: Home, http_clients: Clients, wire: Proxy, clock: VirtualClock) -> Any:
    """Alice's client behind the proxy; retries take no time."""
    return http_clients(
        http_home.alice, wire.url, retry=RetryPolicy(clock=clock, max_attempts=3), timeout=0.5
    )


@pytest.fixture(params=["http", "async http"])
def capped(request: pytest.FixtureRequest, backend: Backend) -> Iterator[Home]:
    """A book behind a gateway that gives two rows at most."""
    with ExitStack() as cleanup:
        narrow = cleanup.enter_context(serve(backend.database, max_rows=2))
        yield Home(Clients(request.param, narrow, cleanup))
