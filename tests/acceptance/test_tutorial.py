"""The tutorial's programs print what the tutorial says that they print."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.documents import blocks, exports, reader_at_a_stack, run_python

TUTORIAL = ROOT / "docs" / "tutorial" / "01-a-transfer.md"

pytestmark = pytest.mark.xdist_group("documents")


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    (addresses,) = blocks(TUTORIAL, "sh")
    with reader_at_a_stack() as environment:
        activate, _, rest = addresses.text.partition("\n")
        assert activate == ". .venv/bin/activate"  # here: whichever environment runs the tests
        yield exports(rest, environment)


@pytest.mark.parametrize(("number", "name"), [(0, "the naive transfer"), (1, "ours")])
def test_a_program_prints_what_stands_under_it(
    environment: dict[str, str], number: int, name: str
) -> None:
    program, printed = blocks(TUTORIAL, "python", "text")[2 * number :][:2]
    assert (program.language, printed.language) == ("python", "text")
    assert run_python(program.text, environment) == printed.text


def test_every_program_is_run() -> None:
    languages = [block.language for block in blocks(TUTORIAL)]
    assert languages == ["sh", "python", "text", "python", "text"]


def test_it_takes_four_minutes_to_read() -> None:
    assert len(TUTORIAL.read_text().split()) < 4 * 300
