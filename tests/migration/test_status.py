"""Where a file stands: edits of applied files, in layout and in meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Database
from tests.migration.conftest import Write
from tests.migration.test_up import has, rows
from tillroll.migrate import HistoryDivergent, Runner
from tillroll.migrate.parser import meaning

TEXT = "create table public.T (id int, note text default 'It''s');\n"
BODY = "create function public.f() returns int language plpgsql as $$begin return 1; end$$;"


def edited(text: str, database: Database, folder: Path, by_cli: bool) -> str:
    """The state of a file after it was applied and then became `text`."""
    Runner(database.dsn(), folder).up()
    if by_cli:
        with database.connect() as conn:
            conn.execute("drop table supabase_migrations.runner_file")
    (folder / "20260101000001_step1.sql").write_text(text)
    return Runner(database.dsn(), folder).status().files[0].state


@pytest.mark.parametrize("by_cli", [False, True], ids=["ours", "the CLI's"])
@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        (TEXT, TEXT, "applied"),
        (TEXT, "-- why\n" + TEXT.upper().replace("'IT''S'", "'It''s'"), "cosmetic"),
        (TEXT, TEXT.replace("(", "(\r\n  /* new */ "), "cosmetic"),
        (TEXT, TEXT + ";;", "cosmetic"),
        (TEXT, TEXT.replace("It", "it"), "edited"),
        (TEXT, TEXT.replace("T (", '"T" ('), "edited"),
        (TEXT, TEXT + "select 1;", "edited"),
        (TEXT, "", "edited"),
        (BODY, BODY.replace("begin", "begin -- more\n"), "cosmetic"),
        (BODY, BODY.replace("$$", "$x$"), "cosmetic"),
        (BODY, BODY.replace("return 1", "return 2"), "edited"),
        (
            BODY,
            BODY.replace("returns int language plpgsql", "returns int stable language plpgsql"),
            "edited",
        ),
        ("select $$a  b$$", "select $$a b$$", "edited"),
    ],
)
def test_an_applied_file_that_was_changed_is_told_by_what_changed(
    bare: Database, write: Write, before: str, after: str, state: str, by_cli: bool
) -> None:
    same = by_cli and state == "cosmetic" and after.rstrip(";\n") == before.rstrip(";\n")
    assert edited(after, bare, write(before), by_cli) == ("applied" if same else state)


def test_an_edited_file_stops_the_run_and_a_cosmetic_edit_does_not(
    bare: Database, write: Write
) -> None:
    folder = write("create table public.a ();", "create table public.b ();")
    Runner(bare.dsn(), folder).up()
    write("create table public.c ();")
    first = folder / "20260101000001_step1.sql"
    first.write_text("create table public.a (id int);")
    status = Runner(bare.dsn(), folder).status()
    assert status.divergent
    with pytest.raises(HistoryDivergent):
        Runner(bare.dsn(), folder).up()
    assert not has(bare, "public.c")
    first.write_text("CREATE TABLE public.a (); -- a")
    assert len(Runner(bare.dsn(), folder).up().applied) == 1


def test_what_another_tool_applied_anew_is_compared_with_that(bare: Database, write: Write) -> None:
    folder = write("create table public.a ();")
    Runner(bare.dsn(), folder).up()
    with bare.connect() as conn:
        conn.execute(
            "update supabase_migrations.schema_migrations set statements = '{create table b ()}'"
        )
    assert Runner(bare.dsn(), folder).status().files[0].state == "edited"
    (folder / "20260101000001_step1.sql").write_text("create table b ();")
    assert Runner(bare.dsn(), folder).status().files[0].state == "applied"


def test_a_version_without_statements_is_applied_and_not_verified(
    bare: Database, write: Write
) -> None:
    folder = write("create table public.a ();")
    Runner(bare.dsn(), folder).up()
    with bare.connect() as conn:
        conn.execute("update supabase_migrations.schema_migrations set statements = null")
    file = Runner(bare.dsn(), folder).status().files[0]
    assert (file.state, file.verified) == ("applied", False)


def test_status_reads_only(bare: Database, write: Write) -> None:
    folder = write("create table public.a ();")
    Runner(bare.dsn(), folder).up()
    before = rows(bare)
    with bare.connect() as conn:
        conn.execute(f'alter database "{bare.name}" set default_transaction_read_only = on')
    assert Runner(bare.dsn(), folder).status().pending == 0
    assert rows(bare) == before


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("select 1", "SELECT  1 -- x", True),
        ("select a", 'select "a"', False),
        ("select E'\\n'", "select e'\\n'", False),
        ("do $$begin null; end$$", "DO $x$ BEGIN null; END $x$", True),
        ("do language plpgsql 'begin null; end'", "do language plpgsql $$begin null; end$$", True),
        (
            "create procedure p() language sql as 'select 1'",
            "create procedure p() language sql as $$select 1 --\n$$",
            True,
        ),
        (
            "create function f() returns text language plpython3u as 'a  b'",
            "create function f() returns text language plpython3u as 'a b'",
            False,
        ),
        ("", "-- nothing", True),
    ],
)
def test_meaning_leaves_out_layout_and_nothing_else(one: str, other: str, alike: bool) -> None:
    assert (meaning([one]) == meaning([other])) is alike
