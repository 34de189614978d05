"""What faults are done to: a server, gateways, customers with a clock; and what these say."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

import psutil
import psycopg

from tests.reliability.load import ServerLog
from tests.reliability.processes import backend
from tests.reliability.stage import Gateway, Stage, gateway
from tests.reliability.workload import Workload
from tests.waiting import until
from tillroll.server import free_port

LOGIN = "authenticator"


class Front:
    """A gateway that can be killed and comes back on its port.

    Attributes:
        said: What it wrote to stderr, up to its last end.
    """

    def __init__(self, db_uri: str, *, retry_aborted: bool) -> None:
        self.url = ""
        self.said: list[str] = []
        self._db_uri, self._retry_aborted = db_uri, retry_aborted
        self._port = free_port()
        self._open = ExitStack()
        self._gateway: Gateway | None = None

    @property
    def process(self) -> psutil.Process:
        """Its process."""
        assert self._gateway is not None
        return psutil.Process(self._gateway.process.pid)

    def start(self) -> None:
        """Start it, again where it was killed."""
        self.kill()
        running = gateway(self._db_uri, port=self._port, retry_aborted=self._retry_aborted)
        self._gateway = self._open.enter_context(running)
        self.url = self._gateway.url

    def kill(self) -> None:
        """Kill −9 it where it runs."""
        self._open.close()
        if self._gateway is not None:
            self.said += self._gateway.said
            self._gateway = None


@dataclass
class Scene:
    """What can be broken.

    Attributes:
        claims: What customers' tokens over HTTP say at this moment, beside who they are.
    """

    place: Stage
    workload: Workload
    fronts: list[Front]
    log: ServerLog
    dice: Random
    claims: dict[str, object] = field(default_factory=dict)

    def token(self) -> str:
        """The user's token, by her clock."""
        return self.workload.bank.token(**self.claims)

    def admin(self) -> psycopg.Connection:
        """A superuser's session."""
        return self.place.database.connect("supabase_admin")

    def front(self) -> Front:
        """One of the gateways."""
        return self.dice.choice(self.fronts)

    def backend(self) -> psutil.Process:
        """The process of a client's or a gateway's session, a busy one if there is."""
        while True:
            with self.admin() as admin:
                found = admin.execute(
                    "select pid from pg_stat_activity where usename = %s order by state = 'idle'",
                    [LOGIN],
                ).fetchall()
            for (pid,) in found:
                try:
                    return backend(self.place.server, pid)
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.02)

    def logged(self, state: str, act: Callable[[], object] = lambda: None) -> None:
        """Do `act` until the server has said this SQLSTATE once more."""
        before = self.log.counts()[state]

        def said() -> bool:
            act()
            return self.log.counts()[state] > before

        until(said)

    def told(self, code: str) -> None:
        """Return once a customer was told this code once more."""
        before = self.workload.failed.get(code, 0)
        until(lambda: self.workload.failed.get(code, 0) > before)
