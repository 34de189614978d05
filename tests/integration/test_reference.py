"""The reference is what the catalog says, and a stale page is found."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT, Cluster, cluster_of


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "client" / "tools" / "generate_reference.py"
    spec = importlib.util.spec_from_file_location("generate_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def catalog(generator: ModuleType) -> Iterator[Any]:
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    yield generator.read_catalog(database.dsn())
    cluster.drop(database)


@pytest.fixture
def raises(catalog: Any) -> dict[str, list[str]]:
    return {function["name"]: ["busy"] for function in catalog.functions}


def test_the_reference_is_current(generator: ModuleType, newest: Cluster) -> None:
    assert generator.main(["--check", "--db-url", newest.server.dsn()]) == 0


def test_a_function_is_told_in_full(generator: ModuleType, catalog: Any, raises: Any) -> None:
    page = generator.render(catalog, raises)["functions.md"]
    transfer = page.split("\n## transfer\n")[1].split("\n## ")[0]
    assert "    amount bigint,\n    idempotency_key text default null,\n" in transfer
    assert "Returns: [receipt](types.md#receipt)" in transfer
    assert "Isolation: read committed" in transfer
    assert "May be called by: authenticated, service_role" in transfer
    assert "Raises: [busy](errors.md#busy)" in transfer
    register = page.split("\n## account_register\n")[1].split("\n## ")[0]
    assert "Returns: rows of [register_line](types.md#register_line)" in register
    assert "GET works" in register


def test_a_code_names_the_functions_that_raise_it(
    generator: ModuleType, catalog: Any, raises: Any
) -> None:
    page = generator.render(catalog, {**raises, "transfer": ["insufficient_funds"]})["errors.md"]
    told = page.split("\n## insufficient_funds\n")[1].split("\n## ")[0]
    assert "HTTP status: 422" in told
    assert "tillroll.InsufficientFunds" in told
    assert "Raised by: [transfer](functions.md#transfer)\n" in told
    assert "Raised by: no function of this release" in page.split("\n## hold_state\n")[1]


def test_codes_are_read_from_a_header_of_several_lines(generator: ModuleType) -> None:
    header = "-- f: x.\n--\n-- Raises  a_b, c,\n--         d\n-- Tests   tests/x.py\n"
    assert generator.raised_codes(header) == ["a_b", "c", "d"]


def test_an_unknown_code_is_refused(generator: ModuleType, catalog: Any, raises: Any) -> None:
    with pytest.raises(generator.Unusable):
        generator.render(catalog, {**raises, "transfer": ["no_such_code"]})


def test_a_function_without_a_file_is_refused(
    generator: ModuleType, catalog: Any, raises: Any
) -> None:
    del raises["transfer"]
    with pytest.raises(generator.Unusable):
        generator.render(catalog, raises)


def test_a_stale_page_is_found_and_mended(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "docs" / "reference"
    monkeypatch.setattr(generator, "pages", lambda root, url: {folder / "a.md": "new\n"})
    folder.mkdir(parents=True)
    (folder / "a.md").write_text("old\n")
    (folder / "left_over.md").write_text(generator.HEADER)
    (folder / "of_another_tool.md").write_text("")
    assert generator.main(["--check"], tmp_path) == 1
    assert generator.main([], tmp_path) == 0
    assert generator.main(["--check"], tmp_path) == 0
    assert {path.name for path in folder.iterdir()} == {"a.md", "of_another_tool.md"}
