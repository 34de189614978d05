"""The how-to pages, typed from top to bottom, print what they say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import ROOT
from tests.documents import blocks, reader_at_a_stack, run

TYPED = ("use-holds", "lock-a-period", "import-a-batch", "run-a-wallet-app")
END = "\x1e"

pytestmark = pytest.mark.xdist_group("documents")


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with reader_at_a_stack() as environment:
        yield environment


@pytest.mark.parametrize("name", TYPED)
def test_what_is_typed_prints_what_stands_under_it(environment: dict[str, str], name: str) -> None:
    script, printed = "", {}
    page = blocks(ROOT / "docs" / "how-to" / f"{name}.md")
    for block in page:
        step = script.count(END)
        if block.language == "text":
            printed[step - 1] = block.text
        elif block.language == "python":
            script += f"python - <<'PYTHON'\n{block.text}PYTHON\nprintf '{END}'\n"
        else:
            assert block.language == "sh"
            script += f"{block.text}printf '{END}'\n"
    said = run(["bash", "-eu"], environment, script).split(END)
    assert printed
    assert {step: tidy(said[step]) for step in printed} == printed


def tidy(said: str) -> str:
    """Without the blanks that a table has at the ends of its lines."""
    return "".join(line.rstrip() + "\n" for line in said.splitlines())
