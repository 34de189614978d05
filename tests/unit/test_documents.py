"""What the documents say is there, is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import typer

from tests.acceptance.test_demo import CHECKS
from tests.conftest import ROOT
from tests.documents import FENCE, blocks
from tillroll import LedgerError
from tillroll.cli.app import app

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
COMMANDS = typer.main.get_command(app)

every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def prose(document: Path) -> str:
    return FENCE.sub("", document.read_text())


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found = HEADING.findall(prose(document))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@every_document
def test_a_link_leads_somewhere(document: Path) -> None:
    broken = []
    for link in LINK.findall(prose(document)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@every_document
def test_a_command_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    spans = re.findall(r"`([^`\n]+)`", prose(document)) + [
        line.strip() for block in blocks(document) for line in block.text.splitlines()
    ]
    unknown = []
    for span in spans:
        if (made := re.match(r"make ([a-z]+)\b", span)) and made[1] not in targets:
            unknown.append(span)
        if called := re.match(r"tillroll ([a-z][a-z-]*)(?: ([a-z][a-z-]*)\b)?", span):
            known = getattr(COMMANDS, "commands", {}).get(called[1])
            inner = getattr(known, "commands", None)
            if known is None or (inner and called[2] and called[2] not in inner):
                unknown.append(span)
    assert unknown == []


@every_document
def test_no_path_of_a_machine_is_named(document: Path) -> None:
    assert not re.search(r"(?<![\w.}/])/(?:home|work|tmp|root|Users)/", document.read_text())


def test_the_readme_is_short_and_maps_folders_that_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) < 225
    mapped = re.findall(r"^\| (`[^|]+`) \|", readme, re.MULTILINE)
    folders = re.findall(r"`([^`]+/)`", " ".join(mapped))
    assert len(folders) > 8
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_the_readme_quotes_the_demo() -> None:
    (excerpt,) = blocks(ROOT / "README.md", "text")
    accounts, counts, checks = excerpt.text.split("…\n")
    printed = (ROOT / "client/tillroll/cli/demo.py").read_text()
    lines = [re.split(r" {2,}", line.strip())[0] for line in counts.splitlines()]
    assert [line for line in lines if f'"{line}"' not in printed] == []
    found = [re.split(r" {2,}", line.strip()) for line in checks.splitlines()]
    assert found == [["check", "what is wrong"], *([name, "holds"] for name in CHECKS)]
    assert len(accounts.splitlines()) > 1


def test_the_how_to_explains_each_check_of_a_book_in_order() -> None:
    how_to = (ROOT / "docs" / "how-to" / "verify-a-book.md").read_text()
    checks = [
        name
        for part in ("transactions", "entries", "balances", "follow_ups", "rules")
        for name in re.findall(
            r"\(\d, '(\w+)'", (ROOT / f"functions/ledger_private/check_{part}.sql").read_text()
        )
    ]
    assert len(checks) > 10
    assert re.findall(r"^\| `(\w+)` \|", how_to, re.MULTILINE) == checks


def test_each_code_has_an_anchor() -> None:
    assert LedgerError.by_code.keys() <= anchors(ROOT / "docs" / "reference" / "errors.md")


def test_each_function_is_in_the_reference_and_the_changelog() -> None:
    functions = {file.stem for file in (ROOT / "functions" / "ledger").glob("*.sql")}
    assert functions <= anchors(ROOT / "docs" / "reference" / "functions.md")
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert [name for name in sorted(functions) if f"`{name}`" not in changelog] == []


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert released[0] == version


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_tells_problem_choice_rest_and_price(decision: Path) -> None:
    headings = re.findall(r"^## (.+)$", decision.read_text(), re.MULTILINE)
    wanted = ["The problem", "What was chosen", "What was not, and why", "The price"]
    assert [heading for heading in headings if heading in wanted] == wanted
    assert f"({decision.name})" in (decision.parent / "README.md").read_text()
