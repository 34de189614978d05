"""The how-to pages, typed from top to bottom, print what they say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.documents import reader_at_a_stack, typed

TYPED = ("use-holds", "lock-a-period", "import-a-batch", "run-a-wallet-app")

pytestmark = pytest.mark.xdist_group("documents")


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with reader_at_a_stack() as environment:
        yield environment


@pytest.mark.parametrize("name", TYPED)
def test_what_is_typed_prints_what_stands_under_it(environment: dict[str, str], name: str) -> None:
    for printed, said in typed(ROOT / "docs" / "how-to" / f"{name}.md", environment):
        assert said == printed
