"""Setting the history right, all of it or nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.conftest import Database
from tests.migration.conftest import Write
from tests.migration.test_command import run
from tests.migration.test_concurrency import waiting
from tests.migration.test_up import has, rows
from tests.waiting import until
from tillroll.migrate import LockContention, PartWay, Repair, Runner, UsageError, history, repair
from tillroll.migrate.history import Deadline
from tillroll.migrate.journal import Lease

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


def test_a_version_that_is_named_twice_is_taken_once(bare: Database, write: Write) -> None:
    folder = write("select 1;", "select 2;")
    twice = [SECOND, FIRST, SECOND]
    result = repair(bare.dsn(), folder, applied=twice)
    assert result.repairs == (Repair("applied", FIRST), Repair("applied", SECOND))
    for file in folder.iterdir():
        file.write_text("select 3;")
    result = repair(bare.dsn(), folder, accept_edit=twice)
    assert result.repairs == (Repair("accepted", FIRST), Repair("accepted", SECOND))
    result = repair(bare.dsn(), folder, reverted=twice)
    assert result.repairs == (Repair("reverted", FIRST), Repair("reverted", SECOND))


def test_what_is_reverted_can_be_marked_anew_at_once(bare: Database, write: Write) -> None:
    folder = write("select 1;")
    repair(bare.dsn(), folder, applied=[FIRST])
    (folder / f"{FIRST}_step1.sql").write_text("select 2;")
    repair(bare.dsn(), folder, reverted=[FIRST], applied=[FIRST])
    assert rows(bare) == [(FIRST, "step1", ["select 2"])]


def test_applied_drops_what_is_known_of_a_file_that_is_part_way(
    bare: Database, write: Write
) -> None:
    folder = write("vacuum public.nope;")
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    repair(bare.dsn(), folder, applied=[FIRST])
    assert states(bare, write) == ["applied"]
    with bare.connect() as conn:
        assert conn.execute("select from supabase_migrations.runner_step").fetchall() == []


@pytest.mark.parametrize("asked", [{"applied": [FIRST]}, {"reverted": [FIRST]}, {"align": True}])
def test_a_file_that_is_being_applied_is_left_alone(
    bare: Database, write: Write, asked: dict[str, Any]
) -> None:
    folder = write("vacuum public.nope;")
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    with (
        bare.connect() as conn,
        Lease(bare.dsn()).held(conn, FIRST, Deadline(1)),
        pytest.raises(LockContention),
    ):
        repair(bare.dsn(), folder, wait=0.1, **asked)
    assert states(bare, write) == ["part_way"]
    write("select 1;")
    with bare.connect() as conn, Lease(bare.dsn()).held(conn, FIRST, Deadline(1)):
        assert repair(bare.dsn(), folder, applied=[SECOND], wait=1).repairs
    repair(bare.dsn(), folder, **asked)


def test_a_runner_that_begins_just_now_is_waited_for(bare: Database, write: Write) -> None:
    folder = write("select 1;")
    repair(bare.dsn(), folder, applied=[FIRST])
    with bare.connect() as conn:
        conn.execute("begin; delete from supabase_migrations.runner_lease")
        with pytest.raises(LockContention):
            repair(bare.dsn(), folder, reverted=[FIRST], wait=0.1)
    assert states(bare, write) == ["applied"]


def test_who_works_on_the_history_is_waited_for(bare: Database, write: Write) -> None:
    folder = write("select 1;")
    repair(bare.dsn(), folder, applied=[FIRST])
    dsn = make_conninfo(bare.dsn(), options="-c statement_timeout=3s")
    where = ("repair", "--db-url", dsn, "--dir", folder, "--reverted", FIRST)
    with bare.connect() as conn:
        conn.execute("begin")
        history.lock(conn)
        assert run(*where, "--wait", 0.1).exit_code == 6
    assert run(*where, "--wait", 0.1).exit_code == 0


def test_who_makes_the_history_is_waited_for(bare: Database, write: Write) -> None:
    folder = write("select 1;")
    with bare.connect() as conn, ThreadPoolExecutor(1) as pool:
        conn.execute("begin; create schema supabase_migrations")
        result = pool.submit(repair, bare.dsn(), folder, applied=[FIRST])
        until(lambda: waiting(bare, "transactionid"))
        conn.execute("commit")
        assert result.result().repairs == (Repair("applied", FIRST),)


def test_what_fails_for_good_is_not_tried_again(bare: Database, write: Write) -> None:
    folder = write("select 1;")
    repair(bare.dsn(), folder, applied=[FIRST])
    with bare.connect() as conn:
        conn.execute(
            "alter table supabase_migrations.schema_migrations add column own int default 1 unique"
        )
    write("select 2;")
    with pytest.raises(psycopg.errors.UniqueViolation):
        repair(bare.dsn(), folder, applied=[SECOND], wait=1)


def test_what_others_did_before_the_lock_is_seen(
    bare: Database, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write("select 1;")
    repair(bare.dsn(), folder, applied=[FIRST])
    lock = history.lock
    with bare.connect() as other:
        other.execute(
            f"alter database \"{bare.name}\" set default_transaction_isolation = 'repeatable read'"
        )

        def late(conn: psycopg.Connection) -> None:
            other.execute("insert into supabase_migrations.schema_migrations values ('1')")
            lock(conn)

        monkeypatch.setattr(history, "lock", late)
        result = repair(bare.dsn(), folder, reverted=["1"])
    assert result.repairs == (Repair("reverted", "1"),)
    assert [row[0] for row in rows(bare)] == [FIRST]


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


def test_align_moves_nothing_where_it_cannot_tell_which_is_which(
    bare: Database, write: Write
) -> None:
    folder = write("select 1;", "create table public.a ();")
    Runner(bare.dsn(), folder).up()
    (folder / f"{FIRST}_step1.sql").rename(folder / f"{FIRST}_better.sql")
    (folder / f"{SECOND}_step2.sql").unlink()
    write(**{f"{THIRD}_a.sql": "create table public.a ();"})
    write(**{"20260101000004_b.sql": "create table public.a (); -- again"})
    before = rows(bare)
    with pytest.raises(UsageError) as caught:
        repair(bare.dsn(), folder, align=True)
    for name in (SECOND, f"{THIRD}_a.sql", "20260101000004_b.sql"):
        assert name in str(caught.value)
    assert rows(bare) == before
    (folder / f"{THIRD}_a.sql").unlink()
    with bare.connect() as conn:
        conn.execute(
            "insert into supabase_migrations.schema_migrations "
            "values ('20260101000003', '{create table public.a ()}', 'more')"
        )
    before = rows(bare)
    with pytest.raises(UsageError):
        repair(bare.dsn(), folder, align=True)
    assert rows(bare) == before
    repair(bare.dsn(), folder, reverted=[THIRD], align=True)
    assert states(bare, write) == ["applied", "applied"]


def test_align_reads_no_file_that_it_has_no_row_for(bare: Database, write: Write) -> None:
    folder = write("select 1;")
    Runner(bare.dsn(), folder).up()
    (folder / f"{FIRST}_step1.sql").rename(folder / f"{FIRST}_better.sql")
    write("this is no SQL")
    assert repair(bare.dsn(), folder, align=True).repairs == (Repair("renamed", FIRST, "better"),)


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
