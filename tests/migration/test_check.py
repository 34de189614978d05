"""Sources equal migrations, and the first migration compiled from sources."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cluster, Database
from tests.migration.test_up import has
from tests.supabase_cli import supabase
from tillroll.migrate import GateFailed, Runner, Sources, UsageError, check, find_root, new

FILES = {
    # By name the view comes first, then its table, then the schema of both: three rounds.
    "sql/app/a_view.sql": "create view app.a_view as select k.code from app.kinds as k;\n",
    "sql/app/kinds.sql": "create table app.kinds (code text primary key, name text not null);\n",
    "sql/app/schema.sql": "create schema app;\n",
    "sql/seed/kinds.sql": (
        "-- reference rows: app.kinds\ninsert into app.kinds values ('a', 'A');\n"
    ),
    "sql/seed/demo.sql": "-- demo data\ninsert into app.kinds values ('demo', 'Demo');\n",
    "functions/app/count_kinds.sql": (
        "create function app.count_kinds() returns bigint language sql stable as $$\n"
        "    select count(*) from app.kinds; -- ü\n$$;\n\n"
        "revoke execute on function app.count_kinds from public"
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "supabase").mkdir()
    return tmp_path


def sources(project: Path) -> Sources:
    return Sources(project, (project / "sql", project / "functions"), ROOT / "sql/platform")


@pytest.fixture
def compiled(project: Path, newest: Cluster) -> Path:
    url = newest.server.dsn()
    return new(project / "supabase/migrations", "initial", sources=sources(project), db_url=url)


def test_the_first_migration_equals_its_sources(project: Path, compiled: Path) -> None:
    # The one test that lets the check start its own server.
    result = check(sources(project), compiled.parent)
    assert result.equal, result.differences
    assert result.facts > 50


def test_the_first_migration_holds_the_sources_verbatim_and_in_order(
    project: Path, compiled: Path
) -> None:
    text = compiled.read_text()
    assert all(part in text for name, part in FILES.items() if name != "sql/seed/demo.sql")
    assert "demo" not in text
    names = re.findall(r"^-- ((?:sql|functions)/.*)$", text, re.MULTILINE)
    assert names.index("sql/app/kinds.sql") < names.index("sql/app/a_view.sql")
    assert text.endswith("\nnotify pgrst, 'reload schema';\n")


def test_compiling_twice_gives_the_same_bytes(
    project: Path, compiled: Path, newest: Cluster
) -> None:
    again = new(project / "other", "initial", sources=sources(project), db_url=newest.server.dsn())
    assert again.read_bytes() == compiled.read_bytes()


def test_the_first_migration_applies_in_one_pass_as_a_role_that_is_no_superuser(
    compiled: Path, bare: Database
) -> None:
    Runner(bare.dsn(), compiled.parent).up()
    assert has(bare, "app.a_view")


def test_the_cli_applies_the_first_migration_too(compiled: Path, bare: Database) -> None:
    supabase(bare, compiled.parents[2], "db", "push")
    assert Runner(bare.dsn(), compiled.parent).status().pending == 0


def test_only_the_first_migration_is_compiled(
    project: Path, compiled: Path, newest: Cluster
) -> None:
    with pytest.raises(UsageError):
        new(compiled.parent, "second", sources=sources(project), db_url=newest.server.dsn())
    assert len(list(compiled.parent.iterdir())) == 1


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        (
            "sql/app/kinds.sql",
            lambda old: old.replace("name text", "name text default ''"),
            {("different", "column", "app.kinds.name")},
        ),
        (
            "functions/app/count_kinds.sql",
            lambda old: old.replace("-- ü", "-- u"),
            {("different", "function", "app.count_kinds()")},
        ),
        (
            "sql/seed/kinds.sql",
            lambda old: old + "insert into app.kinds values ('b', 'B');",
            {("only in sources", "row", 'app.kinds {"code": "b"}')},
        ),
        (
            "sql/app/a_view.sql",
            lambda _: "",
            {
                ("only in migrations", "relation", "app.a_view"),
                ("only in migrations", "grants on relation", "app.a_view"),
                ("only in migrations", "column", "app.a_view.code"),
                ("only in migrations", "column order", "app.a_view"),
            },
        ),
    ],
    ids=["default", "body", "reference row", "dropped view"],
)
def test_a_source_that_moved_on_is_told(
    project: Path,
    compiled: Path,
    newest: Cluster,
    file: str,
    change: Callable[[str], str],
    expected: set[tuple[str, str, str]],
) -> None:
    (project / file).write_text(change((project / file).read_text()))
    result = check(sources(project), compiled.parent, db_url=newest.server.dsn())
    assert {(each.side, each.kind, each.identity) for each in result.differences} == expected


def test_what_is_cosmetic_is_told_and_passes(
    project: Path, compiled: Path, newest: Cluster
) -> None:
    function = project / "functions/app/count_kinds.sql"
    function.write_text(function.read_text().replace("-- ü", "-- u"))
    told: list[str] = []
    url = newest.server.dsn()
    result = check(sources(project), compiled.parent, db_url=url, tell=told.append)
    assert [each.cosmetic for each in result.differences] == [True]
    assert result.equal
    assert told


def test_a_difference_reads_as_a_diff(project: Path, compiled: Path, newest: Cluster) -> None:
    table = project / "sql/app/kinds.sql"
    table.write_text(table.read_text().replace("name text", "name varchar"))
    result = check(sources(project), compiled.parent, db_url=newest.server.dsn())
    told = str(result.differences[0])
    assert "-type: text" in told
    assert "+type: character varying" in told


def test_sources_that_load_in_no_order_fail_the_gate(
    project: Path, compiled: Path, newest: Cluster
) -> None:
    (project / "sql/app/broken.sql").write_text("select nope from app.kinds;\n")
    with pytest.raises(GateFailed):
        check(sources(project), compiled.parent, db_url=newest.server.dsn())


def test_sources_that_need_a_superuser_fail_the_gate(
    project: Path, compiled: Path, newest: Cluster
) -> None:
    (project / "sql/app/broken.sql").write_text("create role tillroll_test superuser;\n")
    with pytest.raises(GateFailed):
        check(sources(project), compiled.parent, db_url=newest.server.dsn())


def test_migrations_that_do_not_apply_fail_the_gate(
    project: Path, compiled: Path, newest: Cluster
) -> None:
    (compiled.parent / "29990101000000_broken.sql").write_text("select 1 / 0;")
    with pytest.raises(GateFailed):
        check(sources(project), compiled.parent, db_url=newest.server.dsn())


def test_no_database_is_left_behind(project: Path, compiled: Path, newest: Cluster) -> None:
    check(sources(project), compiled.parent, db_url=newest.server.dsn())
    (project / "sql/app/broken.sql").write_text("select nope;")
    with pytest.raises(GateFailed):
        check(sources(project), compiled.parent, db_url=newest.server.dsn())
    database = Database(newest.server, "postgres")
    with database.connect("supabase_admin") as conn:
        left = conn.execute("select datname from pg_database where datname ~ 'shadow'").fetchall()
    assert left == []


def test_sources_without_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Sources(tmp_path, (tmp_path / "none",), None).files()
    with pytest.raises(UsageError):
        Sources(tmp_path, (tmp_path,), None).files()


def test_the_root_is_the_folder_that_holds_supabase(project: Path) -> None:
    assert find_root(project / "sql" / "app") == project
    assert find_root(Path("/")) is None
