"""Files that are late: applied only where two orders are proven to be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT, Cluster, Database
from tests.migration.conftest import Write
from tests.migration.test_up import has
from tillroll.migrate import HistoryDivergent, OrderProof, Runner, prove_order

BASE = "create table public.t (id int, n int);"


def prove(database: Database, folder: Path, cluster: Cluster) -> OrderProof:
    status = Runner(database.dsn(), folder).status()
    return prove_order(folder, status, ROOT / "sql/platform", cluster.server.dsn())


def late(database: Database, write: Write, before: str, after: str) -> Path:
    """A folder whose second file was written after its third one was applied."""
    folder = write(**{"20260101000001_base.sql": BASE, "20260101000003_after.sql": after})
    Runner(database.dsn(), folder).up()
    return write(**{"20260101000002_before.sql": before})


def test_files_that_commute_are_proven_and_then_applied(
    bare: Database, newest: Cluster, write: Write
) -> None:
    folder = late(bare, write, "create table public.a ();", "create table public.b ();")
    proof = prove(bare, folder, newest)
    assert proof == OrderProof(("20260101000002",))
    assert proof.holds
    with pytest.raises(HistoryDivergent):
        Runner(bare.dsn(), folder).up()
    Runner(bare.dsn(), folder).up(out_of_order=proof.versions)
    assert has(bare, "public.a")
    assert not Runner(bare.dsn(), folder).status().divergent


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("alter table public.t add column a int;", "alter table public.t add column b int;"),
        (
            "create or replace function public.f() returns int language sql as 'select 1';",
            "create or replace function public.f() returns int language sql as 'select 2';",
        ),
        ("grant select on public.t to anon;", "revoke select on public.t from anon;"),
    ],
    ids=["columns", "functions", "grants"],
)
def test_what_ends_in_other_facts_does_not_hold(
    bare: Database, newest: Cluster, write: Write, before: str, after: str
) -> None:
    proof = prove(bare, late(bare, write, before, after), newest)
    assert proof.differences
    assert not proof.holds


@pytest.mark.parametrize(
    "text",
    [
        "insert into public.t values (1, 1);",
        "update public.t set n = 1;",
        "delete from public.t;",
        "truncate public.t;",
        "do $$ begin update public.t set n = 2; end $$;",
        "select 1;",
        "create table public.made as select 1 as one;",
        "alter table public.t alter column n type bigint using n + 1;",
        "create sequence public.s; alter sequence public.s restart with 7;",
    ],
)
@pytest.mark.parametrize("which", ["the late one", "the applied one"])
def test_files_that_touch_rows_are_refused(
    bare: Database, newest: Cluster, write: Write, text: str, which: str
) -> None:
    plain = "create table public.a ();"
    files = (text, plain) if which == "the late one" else (plain, text)
    proof = prove(bare, late(bare, write, *files), newest)
    assert proof.reasons
    assert not proof.holds


def test_rows_that_were_touched_before_the_late_file_do_not_matter(
    bare: Database, newest: Cluster, write: Write
) -> None:
    folder = write(
        **{
            "20260101000001_base.sql": BASE + "insert into public.t values (1, 1);",
            "20260101000003_after.sql": "create table public.b ();",
        }
    )
    Runner(bare.dsn(), folder).up()
    write(**{"20260101000002_before.sql": "create table public.a ();"})
    assert prove(bare, folder, newest).holds


def test_nothing_late_needs_no_proof(bare: Database, newest: Cluster, write: Write) -> None:
    assert prove(bare, write(BASE), newest) == OrderProof(())


def test_versions_without_a_file_cannot_be_proven(
    bare: Database, newest: Cluster, write: Write
) -> None:
    folder = late(bare, write, "create table public.a ();", "create table public.b ();")
    (folder / "20260101000003_after.sql").unlink()
    with pytest.raises(HistoryDivergent):
        prove(bare, folder, newest)
