"""The short form of `disk`, and that it would notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from tests.reliability import disk
from tests.reliability.load import HASTY, Way
from tests.reliability.proof import Run
from tillroll import AsyncTillroll


def shown(folder: Path) -> Run:
    """The short form; not even with CI=true a failure where one may not mount."""
    run = Run("disk", 1, "short", folder)
    disk.run(run)
    if not run.figures:
        pytest.skip(run.events[-1].what)
    return run


def test_a_disk_that_fills_up_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    run = shown(tmp_path)
    assert run.ok, run.checks


class Premature:
    """Lends connections that are committed only a moment after the answer was given.

    Stands for a pool, and for a server or a gateway that acknowledges too early.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._late: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def connection(self, timeout: float) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection, in a transaction."""
        made = await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, connect_timeout=max(2, int(timeout))
        )
        try:
            await made.execute("begin")
            yield made
        except BaseException:
            await made.close()
            raise
        late = asyncio.create_task(self._commit(made))
        self._late.add(late)
        late.add_done_callback(self._late.discard)

    async def _commit(self, made: psycopg.AsyncConnection[Any]) -> None:
        try:
            await asyncio.sleep(0.1)
        finally:
            with suppress(psycopg.Error):
                await made.commit()
            await made.close()

    @classmethod
    def way(cls, dsn: str) -> Way:
        """Clients of such a server."""
        pool = cast(AsyncConnectionPool[Any], cls(dsn))
        return lambda: AsyncTillroll.direct(pool, timeout=4, retry=HASTY)


def test_what_is_acknowledged_before_it_is_committed_is_found_to_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "directly", Premature.way)
    monkeypatch.setattr(disk, "TITLES", {disk.PANIC: disk.TITLES[disk.PANIC]})
    run = shown(tmp_path)
    assert "acknowledged but lost" in {check.name for check in run.checks if not check.ok}
