"""Folders of migrations, and databases that have none yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Cluster, Database, cluster_of

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write migrations, versions counting up from 20260101000001, and return their folder."""
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)

    def add(*files: str | bytes, **named: str | bytes) -> Path:
        for number, text in enumerate(files, len(list(folder.iterdir())) + 1):
            named[f"{20260101000000 + number}_step{number}.sql"] = text
        for name, text in named.items():
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder

    return add


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Database]:
    """A bare database, on each Postgres."""
    made = cluster.database("bare")
    yield made
    cluster.drop(made)


@pytest.fixture(scope="module", params=["15", "17", "18"], ids="pg{}".format)
def shared(request: pytest.FixtureRequest) -> Iterator[Database]:
    """One bare database a module, for tests that roll back, on each Postgres."""
    cluster = cluster_of(request.param)
    made = cluster.database("bare")
    yield made
    cluster.drop(made)
