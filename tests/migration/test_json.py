"""What commands print with --json is what the schema says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner, Result

from tests.conftest import ROOT, Cluster, Database
from tillroll.cli.app import app
from tillroll.cli.migrate import RESULTS
from tillroll.cli.output import jsonable

TABLE = "create schema app;\ncreate table app.notes (id bigint primary key, body text);\n"
INDEX = "create index concurrently notes_body on app.notes (body);\n"
NEXT = "alter table app.notes add column at timestamptz;\n"
FIRST = "20260101000001"


@dataclass(frozen=True)
class Case:
    """A command on a project of three migrations, of which none is applied.

    Attributes:
        line: As it is typed, with {db}, a database, and {shadow}, a server for throw-away ones.
        exit_code: What it must end with.
        before: What is typed first.
    """

    line: str
    exit_code: int = 0
    before: tuple[str, ...] = ()


CASES = {
    "new": Case("migrate new more"),
    "check": Case("migrate check {shadow}", 10),
    "generate": Case("migrate generate more {shadow}", 10),
    "status": Case("migrate status {db}", 3),
    "up": Case("migrate up {db}"),
    "plan": Case("migrate plan {db}"),
    "resume": Case("migrate resume {db}"),
    "repair": Case(f"migrate repair {{db}} --reverted {FIRST}", before=("migrate up {db}",)),
    "stats": Case("migrate stats {db}"),
    "rehearse": Case("migrate rehearse {db} {shadow}"),
    "lint": Case("migrate lint", 10),
    "contract": Case("migrate contract {shadow} --write"),
    "matrix": Case("migrate matrix {shadow} --write"),
    "adopt": Case(f"migrate adopt {{db}} {{shadow}} --through {FIRST}", 4),
    "drift": Case("migrate drift {db} {shadow}", before=("migrate up {db}",)),
    "install": Case("install"),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    migrations = tmp_path / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (migrations / f"{FIRST}_notes.sql").write_text(TABLE)
    (migrations / "20260101000002_at.sql").write_text(NEXT)
    (migrations / "20260101000003_body.sql").write_text(INDEX)
    (tmp_path / "supabase" / "config.toml").write_text('[api]\nschemas = ["app"]\n')
    (tmp_path / "sql" / "app").mkdir(parents=True)
    (tmp_path / "sql" / "app" / "notes.sql").write_text(TABLE)
    (tmp_path / "functions" / "app").mkdir(parents=True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / f"{FIRST}_broken.sql").write_text("select 1 / 0;")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line: str, database: Database, newest: Cluster) -> Result:
    shadow = f"--shadow-url {newest.server.dsn()} --platform {ROOT / 'sql' / 'platform'}"
    return CliRunner().invoke(
        app, line.format(db=f"--db-url {database.dsn()}", shadow=shadow).split()
    )


@pytest.mark.parametrize("name", CASES)
def test_a_result_is_what_the_schema_says(
    name: str, project: Path, bare: Database, newest: Cluster
) -> None:
    case = CASES[name]
    for line in case.before:
        assert run(line, bare, newest).exit_code == 0, line
    result = run(f"{case.line} --json", bare, newest)
    assert result.exit_code == case.exit_code, result.output
    adapter: TypeAdapter[Any] = TypeAdapter(RESULTS[name])
    # Nothing is missing, nothing has another type, and nothing is there beside it.
    assert jsonable(adapter.validate_json(result.stdout, strict=True)) == json.loads(result.stdout)


def test_every_command_has_a_case() -> None:
    assert CASES.keys() == RESULTS.keys()


@pytest.mark.parametrize(
    ("line", "more"),
    [
        ("migrate status {db} --dir none", set()),
        ("migrate up {db} --dir none", {"applied"}),
        ("migrate resume {db} --dir none", {"applied"}),
        (
            "migrate up {db} --dir broken",
            {"applied", "file", "statement", "line", "column", "sqlstate", "reason"},
        ),
    ],
)
def test_an_error_is_what_the_schema_says(
    line: str, more: set[str], project: Path, bare: Database, newest: Cluster
) -> None:
    result = run(f"{line} --json", bare, newest)
    error = json.loads(result.stdout)["error"]
    assert error.keys() == {"code", "message", "fix"} | more
