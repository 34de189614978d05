from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Database
from tests.world import Household, household


@pytest.fixture
def home(db: Database) -> Iterator[Household]:
    """A book with an owner, an editor, a viewer, a stranger and four accounts, on each Postgres."""
    with household(db) as made:
        yield made
