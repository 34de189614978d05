"""The page of the commands and their schema are what the commands say, and go stale with them."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "client" / "tools" / "generate_commands.py"
    spec = importlib.util.spec_from_file_location("generate_commands", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(generator: ModuleType) -> dict[str, str]:
    return {path.name: text for path, text in generator.pages(ROOT).items()}


@pytest.fixture(scope="module")
def schema(made: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made["migrate.schema.json"])
    return found


def test_the_page_and_the_schema_are_current(generator: ModuleType) -> None:
    assert generator.main(["--check"]) == 0


def test_a_stale_page_is_found_and_mended(generator: ModuleType, tmp_path: Path) -> None:
    assert generator.main([], tmp_path) == 0
    page = tmp_path / "docs" / "reference" / "migrate.md"
    page.write_text(page.read_text().replace("--wait", "--weight"))
    assert generator.main(["--check"], tmp_path) == 1
    assert generator.main([], tmp_path) == 0
    assert generator.main(["--check"], tmp_path) == 0


def test_an_option_is_told_with_its_type_its_default_and_its_variable(made: dict[str, str]) -> None:
    up = made["migrate.md"].split("\n## migrate up\n")[1].split("\n## ")[0]
    assert "```\ntillroll migrate up [OPTIONS]\n```" in up
    assert "| `--wait NUMBER` | `60` | " in up
    assert "| `--shadow-url TEXT` | `$TILLROLL_SHADOW_URL` | " in up
    assert "| `--yes, -y` |  | " in up
    assert "`UpResult` of [migrate.schema.json]" in up
    new = made["migrate.md"].split("\n## migrate new\n")[1].split("\n## ")[0]
    assert "```\ntillroll migrate new SLUG [OPTIONS]\n```" in new
    assert "| `SLUG` | required | " in new


def test_each_exit_code_and_each_field_of_an_error_is_told(made: dict[str, str]) -> None:
    page = made["migrate.md"]
    codes = page.split("\n## Exit codes\n")[1].split("\n## ")[0]
    expected = [str(code) for code in (*range(11), 130)]
    assert re.findall(r"^\| (\d+) \|", codes, re.MULTILINE) == expected
    assert "| `lock_contention` | 6 |" in page
    assert "| `file`, `statement`, `line`, `column`, `sqlstate`, `reason` |" in page


def test_the_schema_leaves_nothing_open(schema: dict[str, Any]) -> None:
    for name, each in schema["$defs"].items():
        assert each["additionalProperties"] is False, name
        assert each["required"] == list(each["properties"]), name


def test_what_a_docstring_says_of_a_field_stands_in_the_schema(schema: dict[str, Any]) -> None:
    status = schema["$defs"]["Status"]
    assert "Attributes" not in status["description"]
    assert status["properties"]["remote_only"]["description"].startswith("Versions in the database")
