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


F1 = "create or replace function public.f() returns int language sql as 'select 1';"
F2 = "create or replace function public.f() returns int language sql as 'select 2';"


@pytest.mark.parametrize(
    ("base", "before", "after"),
    [
        ("", "update public.t set n = 1;", "create table public.a ();"),
        ("", "create table public.a ();", "update public.t set n = 1;"),
        ("", "prepare p as delete from public.t; execute p;", "create table public.a ();"),
        (
            "",
            "merge into public.t using public.t as u on t.id = u.id when matched then delete;",
            "create table public.a ();",
        ),
        (
            "create table public.s (id int generated always as identity);",
            "alter table public.s alter column id restart with 5;",
            "alter table public.s alter column id restart with 7;",
        ),
        (F1, "alter table public.t add column x int default public.f();", F2),
        (F1, "alter table public.t add column x int generated always as (public.f()) stored;", F2),
        (
            "create function public.g(n int) returns int immutable language sql as 'select n';",
            "create index on public.t (public.g(n));",
            "create or replace function public.g(n int) returns int immutable language sql "
            "as 'select -n';",
        ),
        (
            "create domain public.d as int default 1;",
            "alter table public.t add column x public.d;",
            "alter domain public.d set default 2;",
        ),
        (
            "",
            "alter table public.t alter column n type text;"
            "alter table public.t alter column n type int using n::int + 1;",
            "alter table public.t alter column n type text;"
            "alter table public.t alter column n type int using n::int * 2;",
        ),
        (
            "",
            "alter table public.t drop column n; alter table public.t add column n int default 1;"
            "alter table public.t alter column n drop default;",
            "alter table public.t drop column n; alter table public.t add column n int default 2;"
            "alter table public.t alter column n drop default;",
        ),
        (
            "create type public.e as enum ('a', 'b');",
            "alter type public.e rename value 'a' to 'c';",
            "create table public.a ();",
        ),
    ],
)
def test_files_after_which_rows_may_depend_on_the_order_are_refused(
    bare: Database, newest: Cluster, write: Write, base: str, before: str, after: str
) -> None:
    folder = write(**{"20260101000000_first.sql": base} if base else {})
    late(bare, write, before, after)
    proof = prove(bare, folder, newest)
    assert proof.reasons
    assert not proof.holds


# On Supabase `postgres` may make event triggers; here a superuser has to.
PLATFORM = """
grant all on schema public to postgres;
create function public.watched() returns event_trigger language plpgsql as $$ begin end $$;
create function public.watch() returns void language plpgsql security definer as $$
begin create event trigger e on ddl_command_end execute function public.watched(); end $$;
"""


@pytest.mark.parametrize(
    ("base", "before", "after"),
    [
        ("select public.watch();", "create table public.a ();", "create table public.b ();"),
        (
            "create function public.less(text, int) returns bool language sql as 'select true';"
            "create operator public.< (leftarg = text, rightarg = int, function = public.less);",
            "alter table public.t add check ('a'::text < n);",
            "create or replace function public.less(text, int) returns bool language plpgsql "
            "as $$ begin delete from public.u; return true; end $$;",
        ),
        (
            "create table public.p1 (); create table public.p2 ();"
            "create table public.c () inherits (public.p1, public.p2);",
            "alter table public.p1 add column x int default 1;"
            "alter table public.c alter column x drop default;",
            "alter table public.p2 add column x int default 2;"
            "alter table public.c alter column x drop default;",
        ),
    ],
    ids=["event trigger", "operator", "two parents"],
)
def test_what_runs_along_with_statements_is_no_proof(
    bare: Database,
    newest: Cluster,
    write: Write,
    tmp_path: Path,
    base: str,
    before: str,
    after: str,
) -> None:
    platform = tmp_path / "platform"
    platform.mkdir()
    (platform / "watch.sql").write_text(PLATFORM)
    with bare.connect("supabase_admin") as admin:
        admin.execute(PLATFORM.encode())
    folder = write(**{"20260101000000_first.sql": base})
    late(bare, write, before, after)
    status = Runner(bare.dsn(), folder).status()
    proof = prove_order(folder, status, platform, newest.server.dsn())
    assert proof.reasons
    assert not proof.holds


@pytest.mark.parametrize(
    ("child", "action", "holds"),
    [("c1", "cascade", False), ("c1", "restrict", True), ("c2", "cascade", True)],
)
def test_foreign_keys_that_act_on_one_row_keep_their_order(
    bare: Database, newest: Cluster, write: Write, child: str, action: str, holds: bool
) -> None:
    write(
        **{
            "20260101000000_first.sql": "create table public.p (id int primary key);"
            "create table public.c1 (x int, y int); create table public.c2 (y int);"
        }
    )
    key = "alter table public.{} add foreign key ({}) references public.p on delete {};"
    folder = late(bare, write, key.format("c1", "x", "restrict"), key.format(child, "y", action))
    assert prove(bare, folder, newest).holds is holds


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
