"""What a rehearsal says is what happens: on tables with rows, seen from another session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.conftest import ROOT, Database, cluster_of
from tests.migration.kinds import BASE, FILL, KINDS, ROWS
from tests.waiting import until
from tillroll.migrate import RehearsedFile, Runner, rehearse

FIRST = "20260101000000"
MODES = (  # Postgres's own order, from weak to strong
    *("AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock"),
    *("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"),
)
# Stops the runner, with all of its locks, when it writes its history.
HOLD = """
create function public.hold() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock(new.version::bigint); return null; end';
create constraint trigger hold after insert on supabase_migrations.schema_migrations
    deferrable initially deferred for each row execute function public.hold();
"""
VERSIONS = [pytest.param(v, marks=pytest.mark.xdist_group(f"rehearsal-{v}")) for v in ("15", "18")]

Words = dict[str, set[str]]
"""What a file does, by its name, which is its schema's: the words of `Kind.does`."""


class Measured(NamedTuple):
    """A relation: the schema and table that it belongs to, its file, and rows read so far."""

    schema: str
    table: str
    is_index: bool
    file: int | None
    read: int


def schema(number: int) -> str:
    return f"k{number:02}"


@pytest.fixture(scope="module", params=VERSIONS)
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Words, Words]]:
    """What is predicted of each kind, and what has happened, on one Postgres."""
    cluster = cluster_of(request.param)
    folder = tmp_path_factory.mktemp("migrations")
    kinds = {schema(number): kind for number, kind in enumerate(KINDS.values(), 1)}
    setup = "".join((BASE + kind.setup).replace("{s}", name) for name, kind in kinds.items())
    (folder / f"{FIRST}_setup.sql").write_text(setup)
    database = cluster.database("bare")
    Runner(database.dsn(), folder).up()
    for number, (name, kind) in enumerate(kinds.items(), int(FIRST) + 1):
        (folder / f"{number}_{name}.sql").write_text(kind.text.replace("{s}", name))
    with database.connect() as conn:
        conn.execute(HOLD)
        for name, kind in kinds.items():
            conn.execute((FILL + kind.fill).replace("{s}", name))
        conn.execute("analyze")
    gates = [gate.format(s=name) for name, kind in kinds.items() for gate in kind.gates]
    runner = Runner(database.dsn(), folder, lock_timeout=60)
    happened = watch(database, runner, gates, range(int(FIRST), int(FIRST) + len(kinds) + 1))
    result = rehearse(
        folder,
        frozenset([FIRST]),
        platform=ROOT / "sql/platform",
        shadow_url=cluster.server.dsn(),
    )
    yield {file.name: predicted(file) for file in result.files}, happened
    cluster.drop(database)


def predicted(file: RehearsedFile) -> set[str]:
    words = set()
    for each in file.statements:
        words |= {f"{lock.relation}:{lock.mode}" for lock in each.locks}
        words |= {f"{relation}:rewrite" for relation in each.rewrites}
        words |= {f"{scan.relation}:scan" for scan in each.scans}
    return {word.removeprefix(f"{file.name}.") for word in words}


def watch(database: Database, runner: Runner, gates: list[str], versions: range) -> Words:
    """Apply what is pending, and look at it whenever it waits.

    Args:
        gates: Statements by which others have locks until the runner waits for them.
        versions: Of the files; it also waits at the end of each.
    """
    found: Words = defaultdict(set)
    strongest: dict[tuple[str, str], int] = defaultdict(int)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())
        eye = stack.enter_context(database.connect())
        eye.execute("select pg_advisory_lock(v) from unnest(%s::bigint[]) as v", ([*versions],))
        others = {}
        for gate in gates:
            conn = stack.enter_context(database.connect())
            conn.execute(f"begin; {gate}")
            others[conn.info.backend_pid] = conn
        before = measure(eye)
        run = pool.submit(runner.up)
        while waiter := waiting(eye, run):
            for oid, mode in locks(eye, waiter):
                if (seen := before.get(oid)) is not None:
                    key = seen.schema, seen.table
                    strongest[key] = max(strongest[key], MODES.index(mode))
            release(eye, waiter, others)
        run.result()
        until(lambda: sessions(eye) == 0)  # what they have counted is known once they have ended
        after = measure(eye)
    for (name, table), level in strongest.items():
        if level:
            found[name].add(f"{table}:{MODES[level].removesuffix('Lock')}")
    for oid, old in before.items():
        if (new := after.get(oid)) is not None:
            if new.file != old.file and not new.is_index:
                found[old.schema].add(f"{old.table}:rewrite")
            if new.read - old.read >= ROWS:
                found[old.schema].add(f"{old.table}:scan")
    return found


def waiting(eye: psycopg.Connection, run: Future[Any]) -> int | None:
    """The session that waits for a lock; None once the run is over."""
    pids: list[int] = []

    def has_stopped() -> bool:
        rows = eye.execute(
            "select l.pid from pg_locks as l join pg_stat_activity as a using (pid) "
            "where not l.granted and a.datname = current_database()"
        )
        pids.extend(pid for (pid,) in rows)
        return run.done() or bool(pids)

    until(has_stopped)
    return pids[0] if pids else None


def release(eye: psycopg.Connection, waiter: int, others: dict[int, psycopg.Connection]) -> None:
    """Let a waiting session go on: end those in its way."""
    blocking = set(value(eye, "select pg_blocking_pids(%s)", waiter))
    if eye.info.backend_pid in blocking:
        eye.execute(
            "select pg_advisory_unlock((l.classid::bigint << 32) + l.objid::bigint) "
            "from pg_locks as l where l.pid = %s and not l.granted",
            (waiter,),
        )
    gates = blocking & others.keys()
    for pid in gates:
        others.pop(pid).close()
    until(lambda: not gates & set(value(eye, "select pg_blocking_pids(%s)", waiter)))


def locks(eye: psycopg.Connection, pid: int) -> list[tuple[int, str]]:
    return eye.execute(
        "select l.relation, l.mode from pg_locks as l where l.pid = %s and l.locktype = 'relation'",
        (pid,),
    ).fetchall()


def sessions(eye: psycopg.Connection) -> int:
    return int(
        value(
            eye,
            "select count(*) from pg_stat_activity "
            "where datname = current_database() and application_name = 'tillroll migrate'",
        )
    )


def measure(eye: psycopg.Connection) -> dict[int, Measured]:
    rows = eye.execute(
        "select c.oid, c.relnamespace::regnamespace::text, coalesce(t.relname, c.relname), "
        "t.oid is not null, pg_relation_filenode(c.oid), pg_stat_get_tuples_returned(c.oid) "
        "from pg_class as c left join pg_index as i on i.indexrelid = c.oid "
        "left join pg_class as t on t.oid = i.indrelid where c.relkind in ('r', 'p', 'm', 'i', 'I')"
    ).fetchall()
    return {oid: Measured(*rest) for oid, *rest in rows}


def value(conn: psycopg.Connection, query: str, *arguments: object) -> Any:
    row = conn.execute(query, arguments).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("name", KINDS)
def test_what_is_predicted_is_what_happens(told: tuple[Words, Words], name: str) -> None:
    key = schema(list(KINDS).index(name) + 1)
    expected = set(KINDS[name].does.split())
    assert [words.get(key, set()) for words in told] == [expected, expected]
