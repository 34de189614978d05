"""Throw-away databases to load sources and migrations into."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tillroll.migrate import history
from tillroll.migrate.errors import ConnectionFailed, UsageError
from tillroll.migrate.files import read_sql
from tillroll.server import Server, ServerError

__all__ = ["Shadow", "shadow"]

OWNER = "postgres"  # as on Supabase: owns what migrations make, and is no superuser


class Shadow:
    """A server on which empty databases can be had.

    Args:
        dsn: A superuser's URL.
        platform: A folder whose .sql files prepare each database; None where Supabase's roles
            are there already.
    """

    def __init__(self, dsn: str, platform: Path | None) -> None:
        self._dsn = dsn
        self._platform = platform

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database; give the URL on which everything is done as `postgres`."""
        name = f"tillroll_shadow_{secrets.token_hex(6)}"
        with history.connect(self._dsn) as admin:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            try:
                self._prepare(make_conninfo(self._dsn, dbname=name))
                yield make_conninfo(self._dsn, dbname=name, options=f"-c role={OWNER}")
            finally:
                drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
                admin.execute(drop)

    def _prepare(self, dsn: str) -> None:
        if self._platform is None:
            return
        with history.connect(dsn) as conn:
            for path in sorted(self._platform.glob("*.sql")):
                try:
                    conn.execute(read_sql(path))
                except psycopg.Error as error:
                    raise UsageError(
                        f"{path}: {str(error).strip()}\nThe platform must load as a superuser."
                    ) from error


@contextlib.contextmanager
def shadow(platform: Path | None, db_url: str | None = None) -> Iterator[Shadow]:
    """Start a server from the wheel for the length of a block, or use the one given.

    Args:
        platform: See `Shadow`.
        db_url: A superuser's URL of a server that may be written to: roles and databases.

    Raises:
        ConnectionFailed: No server here, or none there.
    """
    if db_url is not None:
        yield Shadow(db_url, platform)
        return
    folder = Path(tempfile.mkdtemp(prefix="tillroll-shadow-"))
    folder.chmod(0o755)  # root's servers run as another user
    try:
        with _started(folder) as server:
            yield Shadow(server.dsn(), platform)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path) -> Server:
    try:
        return Server(folder, durable=False).start()
    except ServerError as error:
        raise ConnectionFailed(f"the shadow server: {error}") from error
