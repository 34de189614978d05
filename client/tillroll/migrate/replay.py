"""Files on a throw-away database: what a database would be that had just these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import psycopg

from tillroll.migrate import history
from tillroll.migrate.errors import GateFailed, UsageError
from tillroll.migrate.files import Content, MigrationFile
from tillroll.migrate.parser import Statement
from tillroll.migrate.stepwise import NEEDS_NONE

__all__ = ["Observer", "replay"]

Observer = Callable[
    [psycopg.Connection, MigrationFile, int, Statement], AbstractContextManager[object]
]


def replay(dsn: str, files: Sequence[MigrationFile], observer: Observer | None = None) -> None:
    """Run files in the order given, each as it would run: a transaction, or step by step.

    Args:
        dsn: Of a database that is thrown away: there is no history, and no lock.
        files: All that shall be there.
        observer: Its block is entered before each statement, which is given with its number from
            1, and left after it; the transaction is still open then, where the statement can have
            one. All files run in one session.

    Raises:
        GateFailed: A file is not usable, or does not apply.
    """
    with history.connect(dsn) as conn:
        for file in files:
            try:
                content = file.read()
            except UsageError as error:
                raise GateFailed(str(error)) from error
            try:
                if content.transactional:
                    with conn.transaction():
                        _run(conn, file, content, observer)
                else:
                    _run(conn, file, content, observer)
                history.clean(conn)
            except psycopg.Error as error:
                raise GateFailed(
                    f"{file.path.name} does not apply to a database of its own: "
                    f"{str(error).strip()} (SQLSTATE {error.sqlstate})"
                ) from error


def _run(
    conn: psycopg.Connection, file: MigrationFile, content: Content, observer: Observer | None
) -> None:
    for index, statement in enumerate(content.statements):
        if not statement.empty and index not in content.skipped:
            # Step by step, what can run in a transaction has one of its own.
            own = not content.transactional and statement.alone is None
            seen: Callable[[], AbstractContextManager[object]] = nullcontext
            if observer is not None:
                seen = partial(observer, conn, file, index + 1, statement)
            try:
                with conn.transaction() if own else nullcontext(), seen():
                    conn.execute(statement.text)
            except NEEDS_NONE:
                if not own:
                    raise
                with seen():
                    conn.execute(statement.text)
