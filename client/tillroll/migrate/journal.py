"""What the runner remembers beside the CLI's history: files, steps, and who is at work."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Container, Iterator
from dataclasses import dataclass
from importlib.metadata import version as installed

import psycopg
from psycopg.types.json import Jsonb

from tillroll.migrate import history
from tillroll.migrate.errors import ConnectionFailed
from tillroll.migrate.facts import extract
from tillroll.migrate.files import Content, MigrationFile
from tillroll.migrate.history import Busy, Deadline
from tillroll.migrate.hosted import own_fingerprint

__all__ = [
    "Known",
    "Lease",
    "Lost",
    "Step",
    "forget",
    "look_at_catalog",
    "read_known",
    "read_steps",
    "refuse_working",
    "remember",
    "restore",
    "seal",
    "settings",
    "unfinished",
]

_TOOL = f"tillroll {installed('tillroll')}"
_PATIENCE = 10  # seconds that a lease counts without a sign of life
# Whether the session is still there of which a row tells, a lease `l` or a step `s`.
_ALIVE = """
    exists (
        select from pg_catalog.pg_stat_activity as a
        where a.pid = {0}.pid
            and (a.backend_start is null  -- another role's
                or a.backend_start = {0}.session_start)
    )
"""
_LEASE_ALIVE, _STEP_ALIVE = _ALIVE.format("l"), _ALIVE.format("s")
_LEASE_COUNTS = f"l.expires_at > pg_catalog.clock_timestamp() and {_LEASE_ALIVE}"


@dataclass(frozen=True)
class Known:
    """What was applied under a version.

    Attributes:
        name: By the history; None where an old tool wrote none.
        sha256: Of the file that this runner applied or accepted; None where another tool did.
        meaning: The same, as tokens.
        statements: By the history, where `meaning` is not known; None where it has none either.
    """

    name: str | None
    sha256: str | None
    meaning: str | None
    statements: tuple[str, ...] | None


@dataclass(frozen=True)
class Step:
    """A statement of a file without a transaction.

    Attributes:
        meaning: Of the statement that ran.
        done: Whether it is known to have ended; else it may be running, have failed, or have ended
            without our hearing of it.
        settings: What the session had set when it ended, for `restore`.
        pid: The server process that runs or ran it.
        alive: Whether that session is still there.
    """

    meaning: str
    done: bool
    settings: dict[str, str] | None
    pid: int
    alive: bool


def read_known(conn: psycopg.Connection) -> dict[str, Known]:
    """Return what the history and our own table say of each applied version."""
    columns = history.columns(conn)
    if not columns:
        return {}
    name = "h.name" if "name" in columns else "null"
    statements = "h.statements" if "statements" in columns else "null::text[]"
    ours = "(values (null, null, null, null)) as f (version, sha256, meaning, digest)"
    if history.has_table(conn, "runner_file"):
        ours = "supabase_migrations.runner_file as f"
    rows = conn.execute(
        f"select h.version, {name}, f.sha256, f.meaning, "
        f"case when f.version is null then {statements} end "
        f"from supabase_migrations.schema_migrations as h left join {ours} "
        f"on f.version = h.version and f.digest = pg_catalog.md5(coalesce({statements}::text, ''))"
    ).fetchall()
    return {
        version: Known(called, sha256, meaning, None if texts is None else tuple(texts))
        for version, called, sha256, meaning, texts in rows
    }


def remember(
    conn: psycopg.Connection,
    file: MigrationFile,
    content: Content,
    *,
    origin: str,
    seconds: float | None = None,
    facts_before: str | None = None,
) -> None:
    """Write what is known of a file whose history row this transaction has written or found.

    Args:
        origin: `up`, `repair` or `adopt`.
        seconds: What it took; None: since this transaction began.
        facts_before: Fingerprint of the catalog before it, where it was taken.
    """
    conn.execute(
        "insert into supabase_migrations.runner_file as f (version, name, origin, sha256, "
        "meaning, digest, statements, seconds, tool, facts_before) "
        "select h.version, %s, %s, %s, %s, pg_catalog.md5(coalesce(h.statements::text, '')), "
        "%s, coalesce(%s::float8, extract(epoch from clock_timestamp() - now())), %s, %s "
        "from supabase_migrations.schema_migrations as h where h.version = %s "
        "on conflict (version) do update set name = excluded.name, origin = excluded.origin, "
        "sha256 = excluded.sha256, meaning = excluded.meaning, digest = excluded.digest, "
        "statements = excluded.statements, seconds = excluded.seconds, tool = excluded.tool, "
        "applied_by = current_user, applied_at = pg_catalog.now(), "
        "facts_before = excluded.facts_before, facts_after = null",
        (
            file.name,
            origin,
            content.sha256,
            content.meaning,
            len(content.statements),
            seconds,
            _TOOL,
            facts_before,
            file.version,
        ),
    )


def look_at_catalog(conn: psycopg.Connection) -> str:
    """Return the fingerprint of what the project owns in a database, and leave no trace of it."""
    with conn.transaction(force_rollback=True):  # settings must not stay in a pooler's session
        return own_fingerprint(extract(conn))


def seal(conn: psycopg.Connection, version: str) -> None:
    """Write down the catalog's fingerprint, as it is after the last file of a run."""
    conn.execute(
        "update supabase_migrations.runner_file set facts_after = %s where version = %s",
        (look_at_catalog(conn), version),
    )


def unfinished(conn: psycopg.Connection) -> dict[str, bool]:
    """Return the versions of which some step is written down, and whether a runner is at them."""
    if not history.has_table(conn, "runner_step"):
        return {}
    rows = conn.execute(
        "select distinct s.version, exists (select from supabase_migrations.runner_lease as l "
        f"where l.version = s.version and {_LEASE_COUNTS}) "
        "from supabase_migrations.runner_step as s"
    ).fetchall()
    return dict(rows)


def refuse_working(conn: psycopg.Connection, versions: Container[str]) -> None:
    """See that no runner is at work on one of some versions, nor begins to in this transaction.

    Raises:
        Busy: One is.
        psycopg.errors.LockNotAvailable: One begins just now.
    """
    conn.execute("lock table supabase_migrations.runner_lease in share mode nowait")
    rows = conn.execute(
        "select l.version, l.pid from supabase_migrations.runner_lease as l "
        f"where {_LEASE_COUNTS} union all "
        "select s.version, s.pid from supabase_migrations.runner_step as s "
        f"where not s.done and {_STEP_ALIVE}"  # its runner may be gone, and the server still at it
    ).fetchall()
    for version, pid in rows:
        if version in versions:
            raise Busy(f"a runner is at work on version {version}, pid {pid}")


def read_steps(conn: psycopg.Connection, version: str) -> dict[int, Step]:
    """Return the journal of a file, by the statement's number from 1."""
    rows = conn.execute(
        f"select s.step, s.meaning, s.done, s.settings, s.pid, {_STEP_ALIVE} "
        "from supabase_migrations.runner_step as s where s.version = %s",
        (version,),
    ).fetchall()
    return {row[0]: Step(*row[1:]) for row in rows}


def settings(conn: psycopg.Connection) -> dict[str, str]:
    """Return what a session has set for itself, its role with it, but for our own lock_timeout."""
    row = conn.execute(
        "select pg_catalog.jsonb_object_agg(s.name, s.setting) from ("
        "select name, setting from pg_catalog.pg_settings "
        "where source = 'session' and name <> 'lock_timeout' "
        "union all select 'role', pg_catalog.current_setting('role')) as s"
    ).fetchone()
    assert row is not None
    return dict(row[0])


def restore(conn: psycopg.Connection, settings: dict[str, str] | None) -> None:
    """Set in a new session what an earlier one had set; the role last, as it may bar the others.

    Args:
        settings: None: an earlier release wrote none down.
    """
    if settings is None:
        return
    conn.execute("reset role")
    for name, value in sorted(settings.items(), key=lambda each: each[0] == "role"):
        conn.execute("select pg_catalog.set_config(%s, %s, false)", (name, value))


def forget(conn: psycopg.Connection, version: str) -> None:
    """Drop the journal of a file that is done with."""
    conn.execute("delete from supabase_migrations.runner_step where version = %s", (version,))


class Lost(Exception):
    """Another runner holds the lease: whatever this transaction did must not be."""


class Lease:
    """The right to work on a file without a transaction; at most one runner has it.

    It is a row, not a lock: a lock would be a transaction that CREATE INDEX CONCURRENTLY waits for,
    or stay behind in a pooler's session. A runner that was stopped for long may believe that it
    still has it. So what it writes is bound to the row, in the same transaction: once another one
    has taken it, nothing more is written, and a statement that shares its transaction with a line
    of the journal is rolled back with it.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._holder = uuid.uuid4()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    @contextlib.contextmanager
    def held(self, conn: psycopg.Connection, version: str, deadline: Deadline) -> Iterator[Lease]:
        """Hold it for the length of a block.

        Args:
            conn: The session that will do the work.
            version: What for.
            deadline: Until when to wait for another holder.

        Raises:
            LockContention: Another runner kept it until then.
        """
        while not self._take(conn, version):
            deadline.wait(self._told(conn), "another runner is at work on a file")
        self._thread.start()
        try:
            yield self
        finally:
            self._over.set()
            self._thread.join()
            with contextlib.suppress(psycopg.Error, ConnectionFailed):
                self._give_back(conn)

    def keep(self, conn: psycopg.Connection) -> None:
        """See that it is still held, and keep it from others until this transaction ends.

        The transaction goes on as the session's own role: the file may have set one without rights.

        Raises:
            Lost: It is not.
        """
        conn.execute("set local role to default")
        held = conn.execute(
            "select from supabase_migrations.runner_lease where holder = %s for share",
            (self._holder,),
        )
        if held.fetchone() is None:
            raise Lost

    def write_step(
        self,
        conn: psycopg.Connection,
        version: str,
        step: int,
        meaning: str,
        *,
        done: bool,
    ) -> None:
        """Write down, as far as it is held, that a statement begins in this session or has ended.

        Args:
            conn: In the statement's transaction, or in none.

        Raises:
            Lost: Another runner has it.
        """
        with conn.transaction():
            now = settings(conn) if done else None
            self.keep(conn)
            conn.execute(
                "insert into supabase_migrations.runner_step "
                "(version, step, meaning, done, settings, pid, session_start) "
                "select %s, %s, %s, %s, %s, a.pid, a.backend_start "
                "from pg_catalog.pg_stat_activity as a "
                "where a.pid = pg_catalog.pg_backend_pid() "
                "on conflict (version, step) do update set meaning = excluded.meaning, "
                "done = excluded.done, settings = excluded.settings, "
                "pid = excluded.pid, session_start = excluded.session_start",
                (version, step, meaning, done, Jsonb(now)),
            )

    def write_ended(self, conn: psycopg.Connection, version: str, step: int) -> None:
        """Write down that a statement was heard to fail: nobody need wait for its session.

        A pooler keeps that session, so that it seems to be at work.

        Raises:
            Lost: Another runner has it.
        """
        with conn.transaction():
            self.keep(conn)
            conn.execute(
                "update supabase_migrations.runner_step set pid = 0 "
                "where version = %s and step = %s",
                (version, step),
            )

    def _take(self, conn: psycopg.Connection, version: str) -> bool:
        taken = conn.execute(
            "insert into supabase_migrations.runner_lease as l "
            "(holder, version, pid, session_start, expires_at) "
            "select %s, %s, a.pid, a.backend_start, "
            f"pg_catalog.clock_timestamp() + interval '{_PATIENCE} s' "
            "from pg_catalog.pg_stat_activity as a where a.pid = pg_catalog.pg_backend_pid() "
            "on conflict (id) do update set holder = excluded.holder, version = excluded.version, "
            "pid = excluded.pid, session_start = excluded.session_start, "
            "expires_at = excluded.expires_at "
            f"where l.expires_at < pg_catalog.clock_timestamp() or not {_LEASE_ALIVE} returning 1",
            (self._holder, version),
        )
        return taken.fetchone() is not None

    @staticmethod
    def _told(conn: psycopg.Connection) -> str:
        row = conn.execute(
            "select l.version, l.pid from supabase_migrations.runner_lease as l"
        ).fetchone()
        return f"version {row[0]}, pid {row[1]}" if row else "it has just ended"

    def _renew(self) -> None:
        while not self._over.wait(_PATIENCE / 5):
            try:
                with history.connect(self._dsn) as conn:
                    conn.execute(
                        "update supabase_migrations.runner_lease set expires_at = "
                        f"pg_catalog.clock_timestamp() + interval '{_PATIENCE} s' "
                        "where holder = %s",
                        (self._holder,),
                    )
            except (psycopg.Error, ConnectionFailed):
                continue  # the next one may be heard

    def _give_back(self, conn: psycopg.Connection) -> None:
        conn.execute(
            "delete from supabase_migrations.runner_lease where holder = %s", (self._holder,)
        )
