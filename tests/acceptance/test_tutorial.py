"""The tutorials' programs print what the tutorials say that they print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.documents import blocks, exports, reader_at_a_stack, run_python

FOLDER = ROOT / "docs" / "tutorial"
TUTORIALS = {
    # Its programs, in order, and the minutes that it promises.
    "01-a-transfer.md": (["the naive transfer", "ours"], 4),
    "02-holds-batches-and-hot-accounts.md": (
        ["a naive hold", "holds", "a naive batch", "batches", "a naive account", "slots"],
        8,
    ),
    "03-deadlocks-and-retries.md": (
        [
            "naive locks",
            "ordered locks",
            "a naive retry",
            "keys",
            "a naive success",
            "joint floors",
        ],
        7,
    ),
}
PROGRAMS = [
    pytest.param(FOLDER / name, number, id=program)
    for name, (programs, _) in TUTORIALS.items()
    for number, program in enumerate(programs)
]

pytestmark = pytest.mark.xdist_group("documents")


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    (addresses,) = {blocks(FOLDER / name, "sh")[0] for name in TUTORIALS}
    with reader_at_a_stack() as environment:
        activate, _, rest = addresses.text.partition("\n")
        assert activate == ". .venv/bin/activate"  # here: whichever environment runs the tests
        yield exports(rest, environment)


@pytest.mark.parametrize(("tutorial", "number"), PROGRAMS)
def test_a_program_prints_what_stands_under_it(
    environment: dict[str, str], tutorial: Path, number: int
) -> None:
    program, printed = blocks(tutorial, "python", "text")[2 * number :][:2]
    assert (program.language, printed.language) == ("python", "text")
    assert run_python(program.text, environment) == printed.text


@pytest.mark.parametrize("name", TUTORIALS)
def test_every_program_is_run(name: str) -> None:
    languages = [block.language for block in blocks(FOLDER / name)]
    assert languages == ["sh", *["python", "text"] * len(TUTORIALS[name][0])]


@pytest.mark.parametrize("name", TUTORIALS)
def test_it_takes_as_long_to_read_as_it_says(name: str) -> None:
    assert len((FOLDER / name).read_text().split()) < TUTORIALS[name][1] * 300


def test_every_tutorial_is_one_of_these() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(TUTORIALS)
