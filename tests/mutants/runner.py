"""Mutants against their tests: a fork of this process for each, on servers that keep running.

The modules of the tests are imported once, before the first fork; so a mutant costs a copy of the
migrated database, its SQL, and the tests until the first that fails.
"""

from __future__ import annotations

import gc
import io
import json
import os
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest

from tests import conftest
from tests.conftest import Cluster
from tillroll.server import Server

VERSION = "18"
OTHERS = set(conftest.BINARIES) - {VERSION}
LIMIT = 420.0
"""Seconds that one test may take; a mutant under which it takes longer counts as noticed by it."""
_QUIET = ("-q", "-x", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist")

Outcome = Literal["killed", "survived", "broken"]


@dataclass(frozen=True)
class Result:
    """How the tests of a mutant ended.

    Attributes:
        outcome: `broken` where the mutant could not be made, or its tests could not be run.
        killer: The test that noticed.
        count: Tests that ran.
        seconds: From the fork on.
        said: What was printed, where something is broken.
    """

    outcome: Outcome
    killer: str
    count: int
    seconds: float
    said: str = ""


@dataclass(frozen=True)
class Job:
    """What a fork does: the SQL, then the tests, until the first that fails.

    Attributes:
        name: For whoever reads the result.
        sql: Changes each migrated database.
        tests: Of one run of pytest after the other: a file that is not needed costs nothing.
        likely: What names of tests that come first in their file contain, as a pattern.
    """

    name: str
    sql: str
    tests: Sequence[Sequence[str]]
    likely: str = ""


class Lent(Server):
    """The server of the process above."""

    def __init__(self, owned: Server) -> None:
        self.__dict__.update(owned.__dict__)

    def stop(self, timeout: float = 30) -> None:
        """Not ours to stop."""


class Mutated(Cluster):
    """A cluster whose migrated databases are changed by their owner before anybody sees them."""

    def __init__(self, server: Server, sql: str = "") -> None:
        super().__init__(server)
        self._templates = {"bare", "ledger"}
        self._sql = sql
        self.error: psycopg.Error | None = None

    def database(self, template: str) -> conftest.Database:
        made = super().database(template)
        if template == "ledger" and self._sql:
            try:
                with made.connect() as owner:
                    owner.execute(self._sql)
            except psycopg.Error as error:
                self.error = error
                raise
        return made

    def sweep(self) -> None:
        """Drop what tests have left."""
        with psycopg.connect(self.server.dsn(), autocommit=True) as admin:
            names = admin.execute("select datname from pg_database where datname ~ '_[0-9]+$'")
            for (name,) in names.fetchall():
                admin.execute(f'drop database if exists "{name}" with (force)')


@dataclass(eq=False)
class Watch:
    """A plugin: one version of Postgres, what runs, and what fails first."""

    note: Path
    likely: str
    killer: str = ""
    count: int = 0

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """First the likely ones, and of each one case before the second: that rarely tells more."""
        cases = Counter[str]()

        def turn(item: Any) -> tuple[bool, int]:
            test = item.nodeid.split("[")[0]
            cases[test] += 1
            return not re.search(self.likely, test), cases[test]

        items[:] = sorted((item for item in items if not _elsewhere(item)), key=turn)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.count += 1
        self.note.write_text(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.killer:
            self.killer = report.nodeid


def _elsewhere(item: Any) -> bool:
    """Whether a test is for a version of Postgres that is not asked."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return any(value in OTHERS for value in parameters.values() if isinstance(value, str))


class Runner:
    """Servers with a migrated template each, and the forks that use them."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._servers = [self._start(folder / f"server-{number}") for number in range(count)]
        self._numbers = 0

    def _start(self, folder: Path) -> Server:
        settings = {"max_connections": "200"}
        server = Server(folder, durable=False, settings=settings).start()
        cluster = Cluster(server)
        cluster.drop(cluster.database("ledger"))
        return server

    def stop(self) -> None:
        for server in self._servers:
            server.stop()

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
        """The jobs, as many at once as there are servers, each as it ends."""
        waiting, free, running = list(jobs)[::-1], list(self._servers), list[_Fork]()
        try:
            while waiting or running:
                while waiting and free:
                    self._numbers += 1
                    running.append(
                        _Fork(waiting.pop(), free.pop(), self._folder / str(self._numbers))
                    )
                for fork in [fork for fork in running if fork.poll()]:
                    running.remove(fork)
                    free.append(fork.server)
                    yield fork.job, fork.result()
                time.sleep(0.01)
        finally:
            for fork in running:
                fork.kill()


class _Fork:
    """A job in a process of its own."""

    def __init__(self, job: Job, server: Server, note: Path) -> None:
        self.job, self.server = job, server
        self._note, self._began = note, time.time()
        self._late = False
        note.touch()
        self._pid = os.fork()
        if self._pid == 0:
            _work(job, server, note)

    def poll(self) -> bool:
        """Whether it has ended; where one of its tests takes too long, it is made to."""
        if os.waitpid(self._pid, os.WNOHANG)[0]:
            return True
        self._late = time.time() - self._note.stat().st_mtime > LIMIT
        if self._late:
            self.kill()
        return self._late

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def result(self) -> Result:
        """What it left behind."""
        Mutated(self.server).sweep()
        seconds, said = time.time() - self._began, self._note.with_suffix(".log").read_text()
        if self._late and (test := self._note.read_text()):
            return Result("killed", test, 0, seconds)
        left = self._note.with_suffix(".json")
        if not left.exists():
            return Result("broken", "", 0, seconds, said)
        result = Result(**json.loads(left.read_text()), seconds=seconds)
        return replace(result, said=said) if result.outcome == "broken" else result


def _work(job: Job, server: Server, note: Path) -> None:
    """Run a job and leave: nothing that the process above has open is closed here."""
    with note.with_suffix(".log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        watch, codes = Watch(note, job.likely), set[int]()
        sql = note.with_suffix(".sql")
        sql.write_text(job.sql)
        os.environ[conftest.MUTATION] = str(sql)  # for a test that starts a server of its own
        cluster = Mutated(Lent(server), job.sql)
        conftest._clusters[VERSION] = cluster
        try:
            for tests in job.tests:
                if not watch.killer:
                    codes.add(int(pytest.main([*_QUIET, *tests], plugins=[watch])))
        except BaseException as error:  # a failed test may leave one behind
            print(repr(error), flush=True)
        passed = 0 in codes and codes <= {0, int(pytest.ExitCode.NO_TESTS_COLLECTED)}
        outcome = "killed" if watch.killer else "survived" if passed else "broken"
        if cluster.error is not None:
            outcome = "broken"
        left = {"outcome": outcome, "killer": watch.killer, "count": watch.count}
        note.with_suffix(".json").write_text(json.dumps(left))
        os._exit(0)


@contextmanager
def runner(count: int) -> Iterator[Runner]:
    """A runner with so many servers, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="tillroll-mutants-") as name:
        os.chmod(name, 0o755)
        made = Runner(Path(name), count)
        try:
            yield made
        finally:
            made.stop()


def load(tests: Sequence[str]) -> None:
    """Import tests before the first fork."""
    with redirect_stdout(io.StringIO()) as said:
        code = pytest.main(["--collect-only", *_QUIET, *tests])
    if code != 0:
        raise SystemExit(f"the tests cannot be collected: {code!r}\n{said.getvalue()}")
    gc.freeze()  # pytest collects garbage ten times a run: of what is loaded here there is none
