"""Drift: a live database against what its migrations make; nothing is written to it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from tillroll.migrate import history
from tillroll.migrate.compare import Pair, definition, tell
from tillroll.migrate.errors import UsageError
from tillroll.migrate.facts import Fact, extract
from tillroll.migrate.files import Folder, MigrationFile, read_folder
from tillroll.migrate.hosted import differing, own_fingerprint
from tillroll.migrate.level import level, major_of, respelled
from tillroll.migrate.replay import replay
from tillroll.migrate.shadow import OWNER, shadow
from tillroll.migrate.status import read_status, refuse_divergent

__all__ = ["Drift", "Drifted", "compare_live", "drift", "drift_since_last_up", "migrator"]

_IN_FULL = "`tillroll migrate drift` without --since-last-up compares in full."
_LAST_RUN = """
    select f.version, f.facts_after, (
        select string_agg(h.version, ', ' order by h.version)
        from supabase_migrations.schema_migrations as h
        where h.version > f.version and h.version not in (
            select r.version from supabase_migrations.runner_file as r))
    from supabase_migrations.runner_file as f
    order by f.applied_at desc, f.version desc
    limit 1
"""
Side = Literal["only live", "only in migrations", "different"]


@dataclass(frozen=True)
class Drifted:
    """One fact on which a live database and its migrations do not agree.

    Attributes:
        live: The definition there; of what the platform has made too, only what matters here.
        migrations: And as the migrations make it.
        cosmetic: Whether only comments and layout of a function's body differ.
    """

    side: Side
    kind: str
    identity: str
    live: str | None
    migrations: str | None
    cosmetic: bool = False

    def __str__(self) -> str:
        head = f"{'cosmetic' if self.cosmetic else self.side}: {self.kind} {self.identity}"
        return tell(head, migrations=self.migrations, live=self.live)


@dataclass(frozen=True)
class Drift:
    """What was found.

    Attributes:
        drifted: Whether there is more than cosmetic differences.
        differences: By kind and identity; none where only fingerprints were compared.
        live_major: The live server's major version.
        shadow_major: That of the server on which the migrations were replayed, if they were.
        since: The version after which the fingerprint was taken, if fingerprints were compared.
    """

    drifted: bool
    differences: tuple[Drifted, ...]
    live_major: int
    shadow_major: int | None = None
    since: str | None = None


def drift(
    dsn: str,
    folder: Path,
    *,
    platform: Path | None,
    shadow_url: str | None = None,
    schemas: Collection[str] = (),
    through: str | None = None,
) -> Drift:
    """Compare a live database with a replay of the files that its history names.

    Args:
        dsn: Of the live database; a role that may read the catalog and the history will do.
        folder: The migrations.
        platform: What is there before any migration; see `Shadow`.
        shadow_url: A superuser's URL of a server for the replay; else one is started.
        schemas: Look at these only; where empty, at all.
        through: Take the files up to this version as applied, without a look at the history.

    Raises:
        UsageError: The folder or a file is not usable, or the database has no history.
        HistoryDivergent: An applied version has no file, or its file was edited since.
        GateFailed: The files do not apply to an empty database.
        ConnectionFailed: One of the servers cannot be reached.
    """
    found = read_folder(folder)
    files = found.files
    if through is not None and through not in {file.version for file in files}:
        raise UsageError(f"there is no migration {through} in {folder}")
    with history.connect(dsn) as conn, _reading(conn):
        if through is None:
            applied = _applied(conn, found)
            files = tuple(file for file in files if file.version in applied)
        else:
            files = tuple(file for file in files if file.version <= through)
        live, owner = extract(conn), migrator(conn, OWNER)
    pairs, shadow_major = _compare(live, owner, files, platform, shadow_url)
    told = tuple(
        _drifted(pair)
        for pair in pairs
        if not schemas or not set(schemas).isdisjoint(pair.fact.schemas)
    )
    drifted = not all(each.cosmetic for each in told)
    return Drift(drifted, told, major_of(live), shadow_major)


def compare_live(
    dsn: str, files: Sequence[MigrationFile], platform: Path | None, shadow_url: str | None
) -> tuple[Drifted, ...]:
    """Compare a live database with a replay of some files, whatever its history; as `drift`."""
    with history.connect(dsn) as conn, _reading(conn):
        live, owner = extract(conn), migrator(conn)
    return tuple(map(_drifted, _compare(live, owner, files, platform, shadow_url)[0]))


def drift_since_last_up(dsn: str) -> Drift:
    """Compare a database's fingerprint with the one that was written down after the last `up`.

    Raises:
        UsageError: None was, or it cannot be compared with one of today.
        ConnectionFailed: The database cannot be reached.
    """
    with history.connect(dsn) as conn, _reading(conn):
        row = None
        if history.has_table(conn, "runner_file"):
            row = conn.execute(_LAST_RUN).fetchone()
        if row is None or row[1] is None:
            raise UsageError(
                f"no fingerprint was written down after the last `up` on this database. {_IN_FULL}"
            )
        version, recorded, others = row
        if others:
            raise UsageError(
                f"applied since by another tool, which may have moved it: {others}. {_IN_FULL}"
            )
        facts = extract(conn)
    found = own_fingerprint(facts)
    if found.rpartition(":")[0] != recorded.rpartition(":")[0]:
        raise UsageError(
            "the fingerprint was taken by another version of this tool or of Postgres, and tells "
            f"nothing now. {_IN_FULL}"
        )
    return Drift(found != recorded, (), major_of(facts), since=version)


@contextlib.contextmanager
def _reading(conn: psycopg.Connection) -> Iterator[None]:
    """One moment of a database, and a transaction in which nothing can be written."""
    with history.access():
        conn.execute("begin isolation level repeatable read read only")
        yield
        conn.execute("rollback")


def _applied(conn: psycopg.Connection, folder: Folder) -> set[str]:
    if not history.columns(conn):
        raise UsageError(
            "this database has no history of migrations, or it is closed to this role: see "
            "`tillroll migrate adopt`, or name the last one that it has with --through VERSION"
        )
    status = read_status(conn, folder)
    refuse_divergent(status, "Without them it cannot be told what the database should be.")
    return {file.version for file in status.in_state("applied", "cosmetic")}


def migrator(conn: psycopg.Connection, otherwise: str | None = None) -> str:
    """Return who applies migrations here, and owns what they make.

    Args:
        otherwise: Who, where there is no history; None: the role of this session.
    """
    row = conn.execute(
        "select coalesce((select pg_get_userbyid(n.nspowner) from pg_namespace as n "
        "where n.nspname = 'supabase_migrations'), %s, current_user)",
        (otherwise,),
    ).fetchone()
    assert row is not None
    return str(row[0])


def _compare(
    live: tuple[Fact, ...],
    owner: str,
    files: Sequence[MigrationFile],
    platform: Path | None,
    shadow_url: str | None,
) -> tuple[list[Pair], int]:
    """Return what differs, live first, and the major version of the server of the replay."""
    with shadow(platform, shadow_url) as server, server.database() as copy:
        with history.connect(copy) as conn:
            bare = extract(conn)
        replay(copy, files)
        with history.connect(copy) as conn:
            made = extract(conn)
            majors = {major_of(live), major_of(made)}
            ours, theirs = level(live, majors, {owner: OWNER}), level(made, majors)
            if len(majors) > 1:
                ours = respelled(conn, ours, theirs)
    return list(differing(ours, level(bare, majors), theirs)), major_of(made)


def _drifted(pair: Pair) -> Drifted:
    side: Side = "different"
    if pair.other is None:
        side = "only live"
    elif pair.one is None:
        side = "only in migrations"
    live, migrations = map(definition, pair)
    return Drifted(side, pair.fact.kind, pair.fact.identity, live, migrations, pair.cosmetic)
