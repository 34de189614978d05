"""A full disk: the data directory on a small tmpfs, filled under load, then freed again.

Needs the right to mount. Where that is not given nothing is shown, and the events say so.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.reliability.load import (
    LOG,
    PATIENCE,
    ServerLog,
    all_served,
    directly,
    log_kept,
    over_http,
    under_load,
)
from tests.reliability.proof import Run
from tests.reliability.stage import Stage, gateway, open_bank, stage
from tests.reliability.workload import Workload
from tests.waiting import until

ROUNDS, SHORT_ROUNDS = 40, 2
SIZE, PIECE = 256 << 20, 64 << 10  # bytes
SETTINGS = {**LOG, "max_wal_size": "64MB", "min_wal_size": "32MB", "shared_buffers": "16MB"}
# Tables that cannot grow fail a statement; the write-ahead log, when it needs a file, the server.
DISK_FULL, PANIC = "53100", "PANIC"
TITLES = {DISK_FULL: "tables cannot grow", PANIC: "the write-ahead log cannot grow"}


def run(run: Run) -> None:
    """Fill the disk in drawn ways, for drawn times; free it; see that nothing is gone."""
    drawn = [
        (kind, run.dice.choice((0.0, 0.2, 1.0)))
        for _ in range((ROUNDS if run.is_long else SHORT_ROUNDS) // 2)
        for kind in run.dice.sample(list(TITLES), len(TITLES))
    ]
    for kind, seconds in drawn:
        run.planned(f"{TITLES[kind]}, for {seconds} s")
    with TemporaryDirectory(prefix="tillroll-disk-") as made, small_disk(Path(made)) as disk:
        if disk is None:
            run.happened("not shown: a full disk, since mounting is not permitted here")
            run.check("a full disk", bar="where one can mount", measured="not shown", ok=True)
        else:
            _run(run, disk, drawn)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of SIZE bytes in a folder, unmounted afterwards; None where that is refused."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _run(run: Run, disk: Path, drawn: list[tuple[str, float]]) -> None:
    with TemporaryDirectory(prefix="tillroll-reliability-") as made:
        # Only the data is on the small disk: the server's log has to tell what happened.
        home = Path(made)
        home.chmod(0o755)
        (home / "server").mkdir(mode=0o755)
        (disk / "pgdata").mkdir()
        (home / "server" / "pgdata").symlink_to(disk / "pgdata")
        with stage(SETTINGS, home) as place, log_kept(run, place.server):
            bank = open_bank(place.database, accounts=8, funds=10_000)
            workload = Workload(bank, f"{run.seed}-disk")
            with gateway(bank.database.dsn("authenticator")) as front:
                ways = [over_http(front.url, bank.token)] * 4 + [directly(bank.dsn())] * 4
                act = Filling(run, place, workload, disk / "ballast", len(ways))
                under_load(workload, ways, lambda: act.all(drawn))
            workload.judge(run)


class Filling:
    """The rounds: fill the disk, be told so, free it, be served again."""

    def __init__(
        self, run: Run, place: Stage, workload: Workload, ballast: Path, ways: int
    ) -> None:
        self._run, self._place, self._workload = run, place, workload
        self._ballast, self._ways = ballast, ways
        self._log = ServerLog(place.server.log_file)
        self._hung = 0

    def all(self, drawn: list[tuple[str, float]]) -> None:
        """Do them, and check after each."""
        lost: list[str] = []
        broken: list[str] = []
        longest = 0.0
        all_served(self._workload, self._ways)
        for kind, seconds in drawn:
            self._fill(kind)
            self._run.happened(f"full, and {TITLES[kind]}: the server has said so")
            time.sleep(seconds)
            self._ballast.unlink()
            self._wait_until_up()
            recovery = all_served(self._workload, self._ways)
            longest = max(longest, recovery)
            broken += self._workload.bank.broken()
            lost += self._workload.lost()
            self._run.happened(f"freed: all are served again after {recovery:.2f} s")
        counts = self._log.counts()
        self._run.figure("longest recovery, s", round(longest, 2))
        self._run.figure("statements refused for a full disk", counts[DISK_FULL])
        self._run.figure("servers that gave up for a full disk", counts[PANIC])
        self._run.figure("servers that hung in their recovery", self._hung)
        self._run.at_least("disks filled under load", ROUNDS, len(drawn))
        self._run.none("acknowledged but lost, after each", lost)
        self._run.none("broken checks of verify_book, after each", broken)

    def _fill(self, kind: str) -> None:
        before = self._log.counts()[kind]
        with open(self._ballast, "wb", buffering=0) as ballast, suppress(OSError):
            while ballast.write(bytes(PIECE)):
                pass

        def told() -> bool:
            if kind == PANIC:
                self._use_log_files()
            return self._log.counts()[kind] > before

        until(told, PATIENCE)

    def _use_log_files(self) -> None:
        """Begin new files of the write-ahead log, faster than checkpoints give old ones back."""
        with suppress(psycopg.Error), self._place.database.connect("supabase_admin") as admin:
            for _ in range(10):
                admin.execute("select pg_logical_emit_message(false, 'disk', ''), pg_switch_wal()")

    def _wait_until_up(self) -> None:
        """Wait, and restart one that hangs: a recovery that meets the full disk may do so.

        Seen on Postgres 18.6, rarely: after `could not write to file "pg_wal/xlogtemp…"` the
        process that recovers neither goes on nor ends, though there is room again.
        """
        try:
            until(self._is_up, PATIENCE / 3)
        except AssertionError:
            self._hung += 1
            self._run.happened("the server hangs in its recovery: restarted, as an operator would")
            self._place.restart()
            until(self._is_up, PATIENCE)

    def _is_up(self) -> bool:
        """Whether the server answers; one that has given up is started again."""
        if not self._place.server.running:
            self._place.restart()
        try:
            with self._place.database.connect():
                return True
        except psycopg.OperationalError:
            return False
