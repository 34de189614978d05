"""A plan: what `up` would do, and nothing but that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, Cluster, Database
from tests.migration.conftest import Write
from tests.migration.test_command import run
from tests.migration.test_up import has
from tillroll.migrate import HistoryDivergent, Runner, UsageError, make_plan, read_plan

PLATFORM = ROOT / "sql/platform"


def test_a_plan_shows_statements_with_their_locks_and_changes_nothing(
    bare: Database, newest: Cluster, write: Write
) -> None:
    folder = write("create table public.t (id int);")
    Runner(bare.dsn(), folder).up()
    write("-- why\nalter table public.t add column n int; select 1;", "vacuum public.t;")
    made = make_plan(bare.dsn(), folder, platform=PLATFORM, shadow_url=newest.server.dsn())
    assert [(file.name, file.transactional) for file in made.files] == [
        ("step2", True),
        ("step3", False),
    ]
    assert [(each.number, each.line) for each in made.files[0].statements] == [(1, 1), (2, 2)]
    assert made.rehearsal is not None
    lock = made.rehearsal.files[0].statements[0].locks[0]
    assert (lock.mode, lock.relation) == ("AccessExclusive", "public.t")
    assert Runner(bare.dsn(), folder).status().pending == 2


def bound(database: Database, folder: Path) -> Path:
    path = folder.parents[1] / "plan.json"
    plain = ("plan", "--db-url", database.dsn(), "--dir", folder, "--no-rehearsal")
    assert run(*plain, "--out", path).exit_code == 0
    return path


def test_up_applies_what_was_planned(bare: Database, write: Write) -> None:
    folder = write("create table public.a ();", "create table public.b ();")
    path = bound(bare, folder)
    result = run("up", "--db-url", bare.dsn(), "--dir", folder, "--plan", path, "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["applied"]) == 2


@pytest.mark.parametrize("change", ["another file", "another text", "another history"])
def test_up_refuses_a_plan_of_something_else(bare: Database, write: Write, change: str) -> None:
    folder = write("create table public.a ();", "create table public.b ();")
    plan = read_plan(bound(bare, folder))
    if change == "another file":
        write("create table public.c ();")
    elif change == "another text":
        write(**{"20260101000002_step2.sql": "create table public.b (id int);"})
    else:
        first = folder / "20260101000002_step2.sql"
        later = first.rename(folder.parents[1] / "later.sql")
        Runner(bare.dsn(), folder).up()
        later.rename(first)
    with pytest.raises(HistoryDivergent):
        Runner(bare.dsn(), folder).up(plan=plan)
    assert not has(bare, "public.b")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"binding": {"history": 1}}'])
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    with pytest.raises(UsageError):
        read_plan(path)
    path.write_text(text)
    with pytest.raises(UsageError):
        read_plan(path)
