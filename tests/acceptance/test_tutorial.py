"""The tutorials' programs print what the tutorials say that they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.documents import blocks, exports, reader_at_a_stack, run_python, typed

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
MIGRATIONS, MINUTES = "04-migrations.md", 9
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


def test_a_project_of_ones_own_goes_as_it_is_told(
    environment: dict[str, str], tmp_path: Path
) -> None:
    told, said = zip(
        *typed(FOLDER / MIGRATIONS, environment, tmp_path, talk=True),
        strict=True,
    )
    printed = "\n".join(said).replace(str(tmp_path), "…")
    assert by_turn(printed) == by_turn("\n".join(told))


def by_turn(text: str) -> str:
    """Number the versions of migrations: they are of the day."""
    seen: dict[str, str] = {}
    return re.sub(r"\d{14}", lambda match: seen.setdefault(match[0], f"v{len(seen)}"), text)


@pytest.mark.parametrize("name", [*TUTORIALS, MIGRATIONS])
def test_it_takes_as_long_to_read_as_it_says(name: str) -> None:
    minutes = MINUTES if name == MIGRATIONS else TUTORIALS[name][1]
    assert len((FOLDER / name).read_text().split()) < minutes * 300


def test_every_tutorial_is_one_of_these() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*TUTORIALS, MIGRATIONS}
