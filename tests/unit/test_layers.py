"""Who may lean on whom: house.md, as a test."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "client" / "tillroll"

SHARED = {"errors", "models", "money", "retry"}
CLIENTS = SHARED | {"transports", "_async", "_sync", "tillroll"}
STACK = CLIENTS | {"assets", "server", "migrate"}
MAY_USE: dict[str, set[str]] = {
    **{alone: set() for alone in ("errors", "money", "retry", "server", "assets", "verify")},
    "models": {"errors"},  # a refused item of a batch is one
    "migrate": {"server"},
    "transports": SHARED,
    "_async": SHARED | {"transports"},
    "_sync": SHARED | {"transports"},
    "tillroll": CLIENTS,
    "local": STACK,
    "races": STACK,
    "cli": STACK | {"local", "races", "verify"},
}


def part_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return (
        "tillroll" if inside.name == str(inside) == "__init__.py" else inside.parts[0].split(".")[0]
    )


def uses(path: Path) -> set[str]:
    """The parts of the package that a file imports, anywhere in it."""
    package = ["tillroll", *path.relative_to(PACKAGE).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        for name in names:
            first, *rest = name.split(".")
            if first == "tillroll":
                is_part = rest and rest[0] in MAY_USE
                found.add(rest[0] if is_part else "tillroll")
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_leans_upward(path: Path) -> None:
    part = part_of(path)
    assert uses(path) - {part} <= MAY_USE[part]


def test_one_package_alone_knows_the_parser() -> None:
    knows = {
        path.relative_to(PACKAGE).parent
        for path in FILES
        if any(
            name.split(".")[0] == "postgast"
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        )
    }
    assert knows == {Path("migrate/parser")}


def test_imports_are_seen_in_every_form(tmp_path: Path) -> None:
    fake = PACKAGE / "transports" / "postgres.py"
    assert "errors" in uses(fake)
    assert "transports" in uses(fake)
    assert uses(PACKAGE / "__init__.py") >= {"errors", "_async", "_sync", "money"}


def test_the_package_imports_without_its_extras() -> None:
    extras = ("psycopg", "psycopg_pool", "typer", "rich", "starlette", "uvicorn", "postgast", "jwt")
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({extras!r}))\n"  # None: importing it fails
        "import tillroll\n"
        "client = tillroll.Tillroll.connect('http://127.0.0.1:9', 'key')\n"
        "client.close()\n"
        "try:\n"
        "    tillroll.Tillroll.direct('')\n"
        "except ImportError as error:\n"
        "    assert 'tillroll[direct]' in str(error)\n"
        "else:\n"
        "    raise SystemExit('direct works without psycopg')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_all_is_complete_and_each_name_is_found() -> None:
    import tillroll

    imported = [
        alias.name
        for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tillroll")
        for alias in node.names
    ]
    assert sorted(imported) == sorted(tillroll.__all__)
    assert set(tillroll.__all__) <= set(dir(tillroll))
    for name in tillroll.__all__:
        assert getattr(tillroll, name)
    assert not hasattr(tillroll, "nonsense")


def test_the_runner_brings_no_client() -> None:
    program = "import sys, tillroll.migrate; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not {"httpx", "pydantic", "postgrest", "supabase"} & set(done.stdout.split())
