"""What `resume` must not take for done, nor do again, nor be stuck at."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.migration.conftest import Write
from tests.migration.test_concurrency import pooler
from tests.migration.test_lease import LOG
from tests.migration.test_stepwise import DIRECTIVE, INDEX, column, ended, execute, is_valid, state
from tests.migration.test_up import rows
from tests.reliability.pgbouncer import SESSION, Pgbouncer
from tillroll.migrate import (
    HistoryDivergent,
    LockContention,
    MigrationFailed,
    PartWay,
    Runner,
    Unfinished,
    UsageError,
    repair,
)

__all__ = ["pooler"]

PARTITIONED = """
create table public.p (id int) partition by range (id);
create table public.p1 partition of public.p for values from (0) to (9);
create table public.p2 (id int);
create index t_x on public.t (id);
"""


@pytest.mark.parametrize(
    "wrong",
    [
        "drop index concurrently public.t_xx",
        "alter table public.p detach partition public.p2 concurrently",
    ],
)
def test_what_was_never_there_has_not_been_taken_away(
    bare: Database, write: Write, wrong: str
) -> None:
    folder = write(LOG + PARTITIONED)
    Runner(bare.dsn(), folder).up()
    write(f"{DIRECTIVE}insert into public.log values ('1'); {wrong};")
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).resume()


def test_what_need_not_be_there_may_be_absent(bare: Database, write: Write) -> None:
    folder = write("drop index concurrently if exists public.nope;")
    assert len(Runner(bare.dsn(), folder).up().applied) == 1


def test_what_the_server_still_runs_is_not_reverted(bare: Database, write: Write) -> None:
    folder = write(LOG)
    Runner(bare.dsn(), folder).up()
    with bare.connect() as other:  # as after a runner that was killed while the server goes on
        other.execute(
            "insert into supabase_migrations.runner_step (version, step, meaning, done, pid, "
            "session_start) select '20260101000002', 1, 'x', false, pid, backend_start "
            "from pg_stat_activity where pid = pg_backend_pid()"
        )
        with pytest.raises(LockContention):
            repair(bare.dsn(), folder, reverted=["20260101000002"], wait=0.1)
    repair(bare.dsn(), folder, reverted=["20260101000002"])


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_steps_read_what_is_committed_whatever_the_default(
    bare: Database, write: Write, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    """Else the lease that is renewed meanwhile could not be looked at."""
    monkeypatch.setattr("tillroll.migrate.journal._PATIENCE", 1)
    execute(bare, f"alter database \"{bare.name}\" set default_transaction_isolation = '{level}'")
    folder = write(LOG, f"{DIRECTIVE}insert into public.log select '1' from pg_sleep(1);")
    assert len(Runner(bare.dsn(), folder, wait=5).up().applied) == 2


def test_a_failure_that_was_heard_is_not_waited_for_behind_a_pooler(
    bare: Database, write: Write, pooler: Pgbouncer
) -> None:
    execute(bare, LOG + "insert into public.t values (1, 7), (2, 7)")
    folder = write(INDEX.replace("index", "unique index"))
    runner = Runner(pooler.dsn(SESSION, "postgres"), folder, wait=5)
    with pytest.raises(PartWay):
        runner.up()
    execute(bare, "update public.t set n = id")
    assert len(runner.resume().applied) == 1


def test_a_role_that_is_gone_again_is_not_set(bare: Database, write: Write) -> None:
    role = f"mover_{bare.name}"
    folder = write(
        f"{DIRECTIVE}create role {role}; grant {role} to postgres; set role {role}; reset role;"
        f"drop role {role}; vacuum public.nope;"
    )
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    execute(bare, "create table public.nope ()")
    assert len(Runner(bare.dsn(), folder).resume().applied) == 1


DEFERRED = "create table public.k (id int, constraint k unique (id) deferrable initially deferred);"


def test_a_step_that_fails_at_its_end_has_not_begun(bare: Database, write: Write) -> None:
    folder = write(DEFERRED, f"{DIRECTIVE}insert into public.k values (1), (1);")
    with pytest.raises(MigrationFailed) as caught:
        Runner(bare.dsn(), folder).up()
    assert not isinstance(caught.value, PartWay)
    assert state(bare, folder) == "pending"


def test_a_deferred_trigger_of_a_step_runs_as_the_role_of_the_file(
    empty: Database, write: Write
) -> None:
    folder = write(
        "create table public.log (what text); create table public.d (id int);"
        "grant insert on public.log, public.d to anon;"
        "create function public.told() returns trigger language plpgsql as $$ begin "
        "insert into public.log values (current_user); return null; end $$;"
        "create constraint trigger told after insert on public.d deferrable initially deferred "
        "for each row execute function public.told();",
        f"{DIRECTIVE}set role anon; insert into public.d values (1);",
    )
    Runner(empty.dsn(), folder).up()
    assert column(empty, "select what from public.log") == ["anon"]


def test_a_history_that_raises_leaves_the_file_part_way(bare: Database, write: Write) -> None:
    folder = write(LOG)
    Runner(bare.dsn(), folder).up()
    execute(
        bare,
        "create function public.no() returns trigger language plpgsql as "
        "$$ begin raise 'not now'; end $$; create trigger no before insert on "
        "supabase_migrations.schema_migrations for each row execute function public.no()",
    )
    write(f"{DIRECTIVE}insert into public.log values ('1');")
    with pytest.raises(Unfinished, match="not now"):
        Runner(bare.dsn(), folder).up()
    execute(bare, "drop function public.no() cascade")
    assert len(Runner(bare.dsn(), folder).resume().applied) == 1
    assert column(bare, "select what from public.log") == ["1"]


def test_an_index_that_was_edited_takes_the_place_of_its_invalid_one(
    bare: Database, write: Write
) -> None:
    execute(bare, LOG + "insert into public.t values (1, 7), (2, 7)")
    folder = write(INDEX.replace("index", "unique index"))
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    (folder / "20260101000001_step1.sql").write_text(INDEX)
    assert len(Runner(bare.dsn(), folder).resume().applied) == 1
    assert is_valid(bare, "public.t_n")


def test_an_index_stands_in_the_schema_of_its_table(bare: Database, write: Write) -> None:
    execute(
        bare,
        "create schema a; create schema b; create table a.t (x int); create index t_x on a.t (x);"
        "create table b.u (x int); insert into b.u values (1), (1)",
    )
    folder = write(
        f"{DIRECTIVE}set search_path = a, b; create unique index concurrently t_x on u (x);"
    )
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    execute(bare, "delete from b.u")
    assert len(Runner(bare.dsn(), folder).resume().applied) == 1
    assert is_valid(bare, "b.t_x")
    assert is_valid(bare, "a.t_x")


def test_leftovers_of_a_partition_are_dropped(bare: Database, write: Write) -> None:
    folder = write(
        "create table public.p (id int) partition by range (id);"
        "create table public.p1 partition of public.p for values from (0) to (9);"
        "create index p_id on public.p (id);"
    )
    Runner(bare.dsn(), folder).up()
    write("reindex index concurrently public.p_id;")
    ended(bare, folder, "insert into public.p values (1)")
    invalid = "select count(*) from pg_index where not indisvalid"
    assert column(bare, invalid) != [0]
    Runner(bare.dsn(), folder).resume()
    assert column(bare, invalid) == [0]


@pytest.mark.parametrize("text", ["create table public.a ();", "begin; select 1; commit;"])
def test_a_file_that_was_begun_step_by_step_goes_on_so(
    bare: Database, write: Write, text: str
) -> None:
    folder: Path = write("vacuum public.nope;")
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    (folder / "20260101000001_step1.sql").write_text(text)
    with pytest.raises(HistoryDivergent):
        Runner(bare.dsn(), folder).resume()


def test_another_encoding_is_refused(bare: Database, write: Write) -> None:
    folder = write("set client_encoding = 'UTF8'; set names 'utf-8'; reset client_encoding;")
    assert len(Runner(bare.dsn(), folder).up().applied) == 1
    for text in ("set client_encoding = 'latin1';", "set names 'LATIN1';"):
        write(text)
        with pytest.raises(UsageError, match="UTF-8"):
            Runner(bare.dsn(), folder).up()
    assert len(rows(bare)) == 1


def test_a_session_that_would_be_idle_for_long_is_closed(bare: Database, write: Write) -> None:
    execute(bare, f'alter database "{bare.name}" set idle_session_timeout = 500')
    folder = write("select 1;", f"{DIRECTIVE}select pg_sleep(1.5);", "select 3;")
    began = time.monotonic()
    assert len(Runner(bare.dsn(), folder).up().applied) == 3
    assert time.monotonic() - began > 1.5
