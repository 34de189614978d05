"""A second look at a session while it works: who blocks it, how far it is."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg

from tillroll.migrate import history
from tillroll.migrate.blockers import who_blocks
from tillroll.migrate.errors import Blocker, ConnectionFailed

__all__ = ["OnProgress", "Progress", "Watch"]

_LOOK = 0.1  # seconds between looks at a session that is at work
_AGAIN = 5.0  # seconds until the same thing is told again
_BUILDING = """
    select p.phase, greatest(
        p.blocks_done::float8 / nullif(p.blocks_total, 0),
        p.tuples_done::float8 / nullif(p.tuples_total, 0))
    from pg_catalog.pg_stat_progress_create_index as p where p.pid = %s
"""


@dataclass(frozen=True)
class Progress:
    """Something that happens while one waits.

    Attributes:
        file: What is being applied.
        what: `begun`, `waiting` for locks, `building` an index, or `working` for a while.
        seconds: Since it was begun.
        blockers: Who stands in the way.
        phase: Of an index that is built, in Postgres's words.
        fraction: Of that phase, 0 to 1, where it is known.
    """

    file: str
    what: str
    seconds: float = 0.0
    blockers: tuple[Blocker, ...] = ()
    phase: str | None = None
    fraction: float | None = None


OnProgress = Callable[[Progress], None]


class Watch:
    """Looks at one session at a time, from a thread and a connection of its own.

    Args:
        dsn: Of the database; connected to once there is something to look at.
        tell: Told of what lasts.
    """

    def __init__(self, dsn: str, tell: OnProgress | None) -> None:
        self._dsn = dsn
        self._tell = tell or (lambda _: None)
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._over = False
        self._file = ""
        self._pid = 0
        self._since = 0.0
        self._blockers: tuple[Blocker, ...] = ()
        self._told: dict[object, float] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._work.set()
        self._thread.join()

    @property
    def blockers(self) -> tuple[Blocker, ...]:
        """Who was last seen in the way of the file."""
        with self._lock:
            return self._blockers

    def begin(self, file: str) -> None:
        """Say that another file begins."""
        with self._lock:
            self._file, self._since = file, time.monotonic()
            self._blockers = ()
            self._told.clear()
        self._tell(Progress(file, "begun"))

    @contextlib.contextmanager
    def on(self, pid: int) -> Iterator[None]:
        """Look at a session for the length of a block."""
        with self._lock:
            self._pid = pid
        self._work.set()
        try:
            yield
        finally:
            with self._lock:
                self._pid = 0
            self._work.clear()

    def _run(self) -> None:
        conn: psycopg.Connection | None = None
        while not self._over:
            self._work.wait()
            time.sleep(_LOOK)
            with self._lock:
                pid, file, since = self._pid, self._file, self._since
            if not pid or self._over:
                continue
            try:
                conn = conn or history.connect(self._dsn)
                self._look(conn, pid, file, time.monotonic() - since)
            except (psycopg.Error, ConnectionFailed):
                conn = None  # what is watched is told by who works; this one only looks
        if conn is not None:
            conn.close()

    def _look(self, conn: psycopg.Connection, pid: int, file: str, seconds: float) -> None:
        blockers = who_blocks(conn, pid)
        if blockers:
            with self._lock:
                self._blockers = blockers
            key = ("waiting", *(each.pid for each in blockers))
            self._say(key, Progress(file, "waiting", seconds, blockers))
            return
        building = conn.execute(_BUILDING, (pid,)).fetchone()
        if building:
            self._say("building", Progress(file, "building", seconds, (), *building))
        elif seconds > _AGAIN:
            self._say("working", Progress(file, "working", seconds))

    def _say(self, key: object, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told.get(key, -_AGAIN) >= _AGAIN:
            self._told[key] = now
            self._tell(progress)
