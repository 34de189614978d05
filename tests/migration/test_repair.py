"""Setting the history right, all of it or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Database
from tests.migration.conftest import Write
from tests.migration.test_up import has, rows
from tillroll.migrate import PartWay, Repair, Runner, UsageError, repair

FIRST, SECOND, THIRD = "20260101000001", "20260101000002", "20260101000003"


def states(database: Database, write: Write) -> list[str]:
    return [file.state for file in Runner(database.dsn(), write()).status().files]


def test_applied_writes_the_row_that_running_it_would_write(empty: Database, write: Write) -> None:
    folder = write("create table public.a (); -- so\nselect 1;")
    result = repair(empty.dsn(), folder, applied=[FIRST])
    assert result.repairs == (Repair("applied", FIRST),)
    assert not has(empty, "public.a")
    marked = rows(empty)
    assert states(empty, write) == ["applied"]
    repair(empty.dsn(), folder, reverted=[FIRST])
    assert states(empty, write) == ["pending"]
    Runner(empty.dsn(), folder).up()
    assert rows(empty) == marked


def test_reverted_drops_what_is_known_of_a_file_that_is_part_way(
    bare: Database, write: Write
) -> None:
    folder = write("vacuum public.nope;")
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    repair(bare.dsn(), folder, reverted=[FIRST])
    assert states(bare, write) == ["pending"]


def test_an_edit_is_accepted_once_and_the_next_one_is_told_again(
    bare: Database, write: Write
) -> None:
    folder = write("create table public.a ();")
    Runner(bare.dsn(), folder).up()
    before = rows(bare)
    file = folder / f"{FIRST}_step1.sql"
    file.write_text("create table public.a (id int);")
    repair(bare.dsn(), folder, accept_edit=[FIRST])
    assert states(bare, write) == ["applied"]
    assert rows(bare) == before  # what has run is what has run
    file.write_text("create table public.a (id bigint);")
    assert states(bare, write) == ["edited"]


def test_align_follows_files_that_were_given_another_version_or_name(
    bare: Database, write: Write
) -> None:
    folder = write("create table public.a ();", "create table public.b ();", "-- nothing")
    Runner(bare.dsn(), folder).up()
    (folder / f"{FIRST}_step1.sql").rename(folder / "20260101000009_step1.sql")
    (folder / f"{SECOND}_step2.sql").rename(folder / f"{SECOND}_better.sql")
    result = repair(bare.dsn(), folder, align=True)
    assert set(result.repairs) == {
        Repair("moved", FIRST, "20260101000009"),
        Repair("renamed", SECOND, "better"),
    }
    assert states(bare, write) == ["applied"] * 3
    assert [row[:2] for row in rows(bare)] == [
        (SECOND, "better"),
        (THIRD, "step3"),
        ("20260101000009", "step1"),
    ]


def test_align_does_not_take_one_file_for_another(bare: Database, write: Write) -> None:
    folder = write("create table public.a ();", "-- nothing")
    Runner(bare.dsn(), folder).up()
    (folder / f"{FIRST}_step1.sql").unlink()
    (folder / f"{SECOND}_step2.sql").unlink()
    write(**{f"{THIRD}_c.sql": "create table public.c ();", "20260101000004_d.sql": "-- empty"})
    assert repair(bare.dsn(), folder, align=True).repairs == ()


def test_a_dry_run_makes_and_changes_nothing(bare: Database, write: Write) -> None:
    folder = write("create table public.a ();")
    result = repair(bare.dsn(), folder, applied=[FIRST], dry_run=True)
    assert result.repairs == (Repair("applied", FIRST),)
    assert not has(bare, "supabase_migrations.schema_migrations")


@pytest.mark.parametrize(
    "wrong",
    [
        {"applied": [FIRST]},
        {"applied": [THIRD]},
        {"reverted": [SECOND]},
        {"accept_edit": [FIRST]},
        {"accept_edit": [SECOND]},
        {"accept_edit": [THIRD]},
    ],
    ids=str,
)
def test_what_cannot_be_repaired_changes_nothing(
    bare: Database, write: Write, wrong: dict[str, Any]
) -> None:
    folder = write("create table public.a ();")
    Runner(bare.dsn(), folder).up()
    write("create table public.b ();")
    before = rows(bare)
    with pytest.raises(UsageError):
        repair(bare.dsn(), folder, align=True, **wrong)
    assert rows(bare) == before
