"""Our folder in the hands of Supabase's own tools, on a bare server with sql/platform alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cluster, Database, cluster_of, missing
from tests.supabase_cli import supabase
from tests.world import household

SCHEMAS = "ledger,ledger_private"


@pytest.fixture
def bare_everywhere(cluster: Cluster) -> Iterator[Database]:
    """A database with the platform's stand-ins and nothing else, on each Postgres."""
    made = cluster.database("bare")
    yield made
    cluster.drop(made)


@pytest.fixture
def checked() -> Iterator[Database]:
    """A migrated database with plpgsql_check, which only Debian's Postgres 15 has here."""
    cluster = cluster_of("15")
    made = cluster.database("ledger")
    with made.connect("supabase_admin") as admin:
        row = admin.execute(
            "select from pg_available_extensions where name = 'plpgsql_check'"
        ).rowcount
        if not row:
            missing("plpgsql_check")
        admin.execute("create extension plpgsql_check")
    yield made
    cluster.drop(made)


def test_the_cli_pushes_the_folder_and_its_advisors_find_nothing(
    bare_everywhere: Database, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "supabase", tmp_path / "supabase")
    supabase(bare_everywhere, tmp_path, "db", "push")
    listed = json.loads(
        supabase(bare_everywhere, tmp_path, "migration", "list", "--output-format", "json")
    )
    versions = [file.name.split("_")[0] for file in (ROOT / "supabase/migrations").iterdir()]
    assert all(version in json.dumps(listed) for version in versions)
    with household(bare_everywhere) as home:
        home.fund(5)
        home.assert_sound()
    advice = supabase(bare_everywhere, tmp_path, "db", "advisors")
    found = [lint for lint in json.loads(advice or "[]") if lint["level"] in ("ERROR", "WARN")]
    assert found == []


def test_the_clis_lint_finds_nothing(checked: Database, tmp_path: Path) -> None:
    (tmp_path / "supabase").mkdir()
    said = supabase(checked, tmp_path, "db", "lint", "--schema", SCHEMAS, "--level", "warning")
    assert json.loads(said or "[]") == []


def test_plpgsql_check_finds_nothing_in_any_function(checked: Database) -> None:
    with checked.connect("supabase_admin") as admin:
        found = admin.execute(
            """
            select c.functionid::regprocedure::text, c.lineno, c.level, c.message
            from pg_proc as p
            inner join pg_language as l on l.oid = p.prolang and l.lanname = 'plpgsql'
            left join pg_trigger as t on t.tgfoid = p.oid and not t.tgisinternal
            cross join lateral plpgsql_check_function_tb(
                p.oid, coalesce(t.tgrelid, 0),
                newtable => t.tgnewtable,
                extra_warnings => true, security_warnings => true
            ) as c
            where p.pronamespace::regnamespace::text = any (%s)
            """,
            [SCHEMAS.split(",")],
        ).fetchall()
    assert found == []
