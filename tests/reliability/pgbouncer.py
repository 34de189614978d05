"""pgbouncer before a server: the transaction pooler and, under another name, the session pooler."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from tests.conftest import LOGINS, PASSWORD, Database
from tests.waiting import until
from tillroll.server import free_port

ADMIN = "pooler_admin"
TRANSACTION, SESSION = "transaction", "session"


class Pgbouncer:
    """One pgbouncer process, on a port that stays the same over restarts.

    Args:
        folder: For its configuration and log.
        ignored: Startup parameters that it swallows instead of refusing the connection.
        size: Server sessions of each pool.
    """

    def __init__(
        self, database: Database, folder: Path, *, ignored: str = "", size: int = 3
    ) -> None:
        found = program()
        assert found is not None
        self._program = found
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(mode=0o755, exist_ok=True)
        real = f"host=127.0.0.1 port={database.server.port} dbname={database.name}"
        users = {**dict.fromkeys(LOGINS, PASSWORD), ADMIN: PASSWORD}
        (folder / "users.txt").write_text(
            "".join(f'"{name}" "{password}"\n' for name, password in users.items())
        )
        (folder / "pgbouncer.ini").write_text(
            f"""
[databases]
{TRANSACTION} = {real} pool_mode=transaction pool_size={size}
{SESSION} = {real} pool_mode=session pool_size=40
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
admin_users = {ADMIN}
ignore_startup_parameters = {ignored}
server_login_retry = 1
"""
        )

    @property
    def process(self) -> psutil.Process:
        """Its process."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def dsn(self, mode: str, user: str = "authenticator") -> str:
        """Connection URL through the pool of that mode."""
        return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{self.port}/{mode}"

    def admin(self, command: str) -> None:
        """Run a command of its console."""
        with psycopg.connect(self.dsn("pgbouncer", ADMIN), autocommit=True) as console:
            console.execute(command)

    def start(self) -> None:
        """Start it, again where it was killed."""
        # It refuses to run as root.
        drop = ["-u", "nobody"] if os.geteuid() == 0 else []
        with open(self._folder / "pgbouncer.log", "ab") as log:
            self._process = subprocess.Popen(
                [self._program, *drop, str(self._folder / "pgbouncer.ini")],
                stdout=log,
                stderr=log,
            )
        until(self._answers)

    def kill(self) -> None:
        """Kill −9 it where it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "pgbouncer.log").read_text()
        try:
            self.admin("show version")
        except psycopg.OperationalError:
            return False
        return True


def program() -> str | None:
    """Where pgbouncer is; Debian puts it where only root's PATH looks."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pgbouncer(database: Database, folder: Path, *, ignored: str = "") -> Iterator[Pgbouncer]:
    """A running pgbouncer, gone afterwards."""
    made = Pgbouncer(database, folder, ignored=ignored)
    made.start()
    try:
        yield made
    finally:
        made.kill()
