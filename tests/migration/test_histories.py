"""Other people's projects: five invented ones, in the style of what `supabase init` leads to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Cluster, Database, cluster_of
from tests.migration.test_up import rows
from tests.supabase_cli import run, supabase
from tillroll.migrate import Fact, HistoryDivergent, Runner, compare, extract

HISTORIES = Path(__file__).parent / "histories"
PROJECTS = sorted(path.name for path in HISTORIES.iterdir() if path.is_dir())


def prepared(cluster: Cluster) -> Database:
    """A bare database with what else Supabase brings and these projects lean on."""
    made = cluster.database("bare")
    with made.connect("supabase_admin") as admin:
        admin.execute((HISTORIES / "platform.sql").read_text())
    return made


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(HISTORIES, tmp_path, dirs_exist_ok=True)
    return tmp_path


def facts(database: Database) -> tuple[Fact, ...]:
    with database.connect() as conn:
        return extract(conn)


def folder_of(root: Path, project: str) -> Path:
    return root / project / "supabase/migrations"


@pytest.mark.parametrize(
    ("project", "version"), [*((name, "18") for name in PROJECTS), ("clinic", "15"), ("shop", "15")]
)
def test_a_project_becomes_the_same_by_the_cli_and_by_us(
    copied: Path, project: str, version: str
) -> None:
    cluster = cluster_of(version)
    ours, theirs = prepared(cluster), prepared(cluster)
    folder = folder_of(copied, project)
    supabase(theirs, copied / project, "db", "push")
    result = Runner(ours.dsn(), folder).up()
    assert len(result.applied) == len(list(folder.glob("*.sql"))) > 5
    assert result.ignored == ()
    assert rows(ours) == rows(theirs)
    assert compare(facts(theirs), facts(ours)) == ()
    for database in (ours, theirs):
        status = Runner(database.dsn(), folder).status()
        assert {(file.state, file.verified) for file in status.files} == {("applied", True)}
        assert not status.divergent
        assert Runner(database.dsn(), folder).up().applied == ()


@pytest.mark.parametrize("project", ["shop", "todo"])
def test_a_project_that_the_cli_began_is_finished_by_us(
    newest: Cluster, copied: Path, project: str
) -> None:
    database, whole = prepared(newest), prepared(newest)
    folder = folder_of(copied, project)
    files = sorted(folder.iterdir())
    later = copied / "later"
    later.mkdir()
    for path in files[len(files) // 2 :]:
        shutil.move(path, later)
    supabase(database, copied / project, "db", "push")
    for path in later.iterdir():
        shutil.move(path, folder)
    assert len(Runner(database.dsn(), folder).up().applied) == (len(files) + 1) // 2
    Runner(whole.dsn(), folder).up()
    assert rows(database) == rows(whole)
    assert compare(facts(database), facts(whole)) == ()


def applied(newest: Cluster, copied: Path, project: str, by: str) -> tuple[Database, Path]:
    database = prepared(newest)
    folder = folder_of(copied, project)
    if by == "cli":
        supabase(database, copied / project, "db", "push")
    else:
        Runner(database.dsn(), folder).up()
    return database, folder


@pytest.mark.parametrize("by", ["cli", "us"])
def test_an_edited_file_stops_us_and_a_cosmetic_edit_does_not(
    newest: Cluster, copied: Path, by: str
) -> None:
    database, folder = applied(newest, copied, "clinic", by)
    functions = folder / "20240415070707_functions.sql"
    layout = functions.read_text().replace("select min", "-- The next one; or null.\n  SELECT min")
    functions.write_text(layout)
    dump = folder / "20240311083012_remote_schema.sql"
    dump.write_text(dump.read_text().replace("\n\n\n", "\n").replace("    ", "  "))
    (folder / "20240701000000_next.sql").write_text("create table clinic.next (id int);")
    runner = Runner(database.dsn(), folder)
    cosmetic = [file.version for file in runner.status().in_state("cosmetic")]
    assert cosmetic == [dump.name[:14], functions.name[:14]]
    assert [file.name for file in runner.up().applied] == ["next"]
    functions.write_text(layout.replace("('booked', 'arrived')", "('booked')"))
    status = runner.status()
    assert [file.version for file in status.in_state("edited")] == [functions.name[:14]]
    (folder / "20240702000000_last.sql").write_text("create table clinic.last (id int);")
    with pytest.raises(HistoryDivergent) as caught:
        runner.up()
    assert caught.value.exit_code == 9
    assert len(rows(database)) == 8
    # The CLI does not look: it pushes the new file, and says nothing of the edit.
    supabase(database, copied / "clinic", "db", "push")
    assert len(rows(database)) == 9


@pytest.mark.parametrize("by", ["cli", "us"])
def test_versions_of_another_branch_stop_us_both(newest: Cluster, copied: Path, by: str) -> None:
    database, folder = applied(newest, copied, "fleet", by)
    gone = sorted(folder.iterdir())[-2:]
    for path in gone:
        path.unlink()
    (folder / "20250701000000_mine.sql").write_text("create table fleet.mine (id int);")
    runner = Runner(database.dsn(), folder)
    assert runner.status().remote_only == tuple(path.name[:14] for path in gone)
    with pytest.raises(HistoryDivergent):
        runner.up()
    assert run(database, copied / "fleet", "db", "push").returncode != 0
    assert len(rows(database)) == 7


def test_a_file_that_comes_late_stops_us_both_until_it_is_allowed(
    newest: Cluster, copied: Path
) -> None:
    database, folder = applied(newest, copied, "press", "us")
    (folder / "20240620000000_late.sql").write_text("create table public.late (id int);")
    runner = Runner(database.dsn(), folder)
    assert [file.name for file in runner.status().in_state("out_of_order")] == ["late"]
    with pytest.raises(HistoryDivergent):
        runner.up()
    assert run(database, copied / "press", "db", "push").returncode != 0
    assert [file.name for file in runner.up(out_of_order=["20240620000000"]).applied] == ["late"]
    supabase(database, copied / "press", "db", "push")
