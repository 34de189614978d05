"""Applying a folder to a database, on each Postgres."""

from __future__ import annotations

import pytest

from tests.conftest import Database
from tests.migration.conftest import Write
from tillroll.migrate import (
    AppliedFile,
    ConnectionFailed,
    HistoryDivergent,
    LockContention,
    MigrationFailed,
    Runner,
    UsageError,
)


def rows(database: Database) -> list[tuple[str, str | None, list[str]]]:
    with database.connect() as conn:
        return conn.execute(
            "select version, name, statements from supabase_migrations.schema_migrations "
            "order by version"
        ).fetchall()


def has(database: Database, relation: str) -> bool:
    with database.connect() as conn:
        found = conn.execute("select to_regclass(%s) is not null", (relation,)).fetchone()
        assert found is not None
        return bool(found[0])


def test_up_applies_what_is_pending_and_then_nothing(empty: Database, write: Write) -> None:
    folder = write("create schema s; create table s.a (id int);", "create table s.b (id int);")
    told: list[AppliedFile] = []
    result = Runner(empty.dsn(), folder).up(told.append)
    assert [(file.name, file.statements) for file in result.applied] == [("step1", 2), ("step2", 1)]
    assert tuple(told) == result.applied
    assert has(empty, "s.b")
    assert Runner(empty.dsn(), folder).up().applied == ()
    write("create table s.c (id int);")
    assert [file.name for file in Runner(empty.dsn(), folder).up().applied] == ["step3"]


def test_status_before_any_run_makes_nothing(empty: Database, write: Write) -> None:
    status = Runner(empty.dsn(), write("select 1;")).status()
    assert [file.state for file in status.files] == ["pending"]
    assert not has(empty, "supabase_migrations.schema_migrations")


def test_a_failure_names_the_place_and_leaves_nothing_of_its_file(
    empty: Database, write: Write
) -> None:
    folder = write(
        "create schema s;",
        "-- ü\ncreate table s.a (id int); select 1;\n\n  -- why\n  select 'ü',\n    nope from s.a;",
    )
    with pytest.raises(MigrationFailed) as caught:
        Runner(empty.dsn(), folder).up()
    error = caught.value
    assert (error.file, error.statement, error.line, error.column, error.sqlstate) == (
        "20260101000002_step2.sql",
        3,
        6,
        5,
        "42703",
    )
    assert not has(empty, "s.a")
    assert [row[1] for row in rows(empty)] == ["step1"]


def test_a_failure_without_a_position_names_where_the_code_begins(
    empty: Database, write: Write
) -> None:
    with pytest.raises(MigrationFailed) as caught:
        Runner(empty.dsn(), write("select 1; -- why\n /* so */ select 1 / 0;")).up()
    assert (caught.value.statement, caught.value.line, caught.value.column) == (2, 2, 11)


@pytest.mark.parametrize("number", [1, 99, 100, 101, 199, 250])
def test_a_failure_among_many_statements_is_the_one_that_is_named(
    bare: Database, write: Write, number: int
) -> None:
    statements = ["select 1;\n"] * 250
    statements[number - 1] = "select 1 / 0;\n"
    with pytest.raises(MigrationFailed) as caught:
        Runner(bare.dsn(), write("".join(statements))).up()
    assert (caught.value.statement, caught.value.line) == (number, number)


def test_a_failure_at_commit_is_rolled_back(empty: Database, write: Write) -> None:
    folder = write(
        "create table public.t (id int unique deferrable initially deferred);"
        "insert into public.t values (1), (1);"
    )
    with pytest.raises(MigrationFailed) as caught:
        Runner(empty.dsn(), folder).up()
    assert (caught.value.statement, caught.value.sqlstate) == (None, "23505")
    assert not has(empty, "public.t")


@pytest.mark.parametrize(
    "text",
    [
        "create table s.t (id int);\nselect from from;",
        "create index concurrently on s.t (id);",
        "begin; select 1; rollback;",
        "select 1; commit; select 2;",
        "begin isolation level serializable; select 1; commit;",
        "begin; create index concurrently i on s.t (id); commit;",
        "copy s.t from stdin;",
    ],
)
def test_an_unusable_file_is_refused_before_anything_runs(
    bare: Database, write: Write, text: str
) -> None:
    with pytest.raises(UsageError):
        Runner(bare.dsn(), write("create schema s;", text)).up()
    assert not has(bare, "supabase_migrations.schema_migrations")


def test_a_file_that_only_the_cli_takes_for_a_migration_stops_the_run(
    bare: Database, write: Write
) -> None:
    folder = write("select 1;", **{"2_short.sql": "select 2;", "notes.sql": ""})
    with pytest.raises(UsageError):
        Runner(bare.dsn(), folder).up()
    (folder / "2_short.sql").unlink()
    assert len(Runner(bare.dsn(), folder).up().applied) == 1


def test_a_file_that_changes_role_and_settings_is_recorded_all_the_same(
    empty: Database, write: Write
) -> None:
    folder = write(
        "set role anon; set search_path = ''; set lock_timeout = 1;",
        "create table public.t (a int)",
    )
    Runner(empty.dsn(), folder).up()
    assert len(rows(empty)) == 2


def test_savepoints_inside_a_file_work(bare: Database, write: Write) -> None:
    Runner(
        bare.dsn(), write("savepoint a; create table public.t (); rollback to a; release a;")
    ).up()
    assert not has(bare, "public.t")


def test_extra_columns_and_missing_ones_in_the_history_are_tolerated(
    empty: Database, write: Write
) -> None:
    with empty.connect() as conn:
        conn.execute("create schema supabase_migrations")
        conn.execute(
            "create table supabase_migrations.schema_migrations (version text primary key, "
            "created_by text, idempotency_key text unique, at timestamptz default now())"
        )
        conn.execute("insert into supabase_migrations.schema_migrations values ('20260101000001')")
    folder = write("select 1 / 0;", "select 2;")
    assert [file.name for file in Runner(empty.dsn(), folder).up().applied] == ["step2"]
    assert rows(empty)[1] == ("20260101000002", "step2", ["select 2"])


def test_versions_without_a_file_stop_the_run(empty: Database, write: Write) -> None:
    folder = write("select 1;", "select 2;")
    Runner(empty.dsn(), folder).up()
    (folder / "20260101000001_step1.sql").unlink()
    write(**{"20260201000000_more.sql": "create table public.t (id int);"})
    status = Runner(empty.dsn(), folder).status()
    assert status.remote_only == ("20260101000001",)
    assert status.divergent
    with pytest.raises(HistoryDivergent):
        Runner(empty.dsn(), folder).up()
    assert not has(empty, "public.t")


def test_files_older_than_the_newest_applied_stop_the_run(empty: Database, write: Write) -> None:
    folder = write("select 1;", "select 2;")
    Runner(empty.dsn(), folder).up()
    write(**{"20251231000000_late.sql": "create table public.t (id int);"})
    status = Runner(empty.dsn(), folder).status()
    assert [file.state for file in status.files] == ["out_of_order", "applied", "applied"]
    assert [file.name for file in status.in_state("out_of_order")] == ["late"]
    with pytest.raises(HistoryDivergent):
        Runner(empty.dsn(), folder).up()
    assert not has(empty, "public.t")


def test_a_lock_held_too_long_ends_the_run_with_nothing_applied(
    empty: Database, write: Write
) -> None:
    folder = write("create table public.t (id int);")
    Runner(empty.dsn(), folder).up()
    write("create table public.u (id int); alter table public.t add column a int;")
    with empty.connect() as other:
        other.execute("begin; lock table public.t in access share mode")
        with pytest.raises(LockContention):
            Runner(empty.dsn(), folder, wait=0.2, lock_timeout=0.05).up()
    assert not has(empty, "public.u")
    with empty.connect() as other:
        other.execute(
            "begin; lock table supabase_migrations.schema_migrations in row exclusive mode"
        )
        with pytest.raises(LockContention):
            Runner(empty.dsn(), folder, wait=0.2).up()
    assert [file.name for file in Runner(empty.dsn(), folder).up().applied] == ["step2"]


@pytest.mark.parametrize("lock_timeout", [0, 0.0001, -1, float("nan"), float("inf"), 1e9])
def test_a_lock_timeout_that_is_none_is_refused(write: Write, lock_timeout: float) -> None:
    with pytest.raises(UsageError):
        Runner("postgresql://localhost", write("select 1;"), lock_timeout=lock_timeout)


@pytest.mark.parametrize("wait", [-1, float("nan"), float("inf")])
def test_a_wait_that_has_no_end_is_refused(write: Write, wait: float) -> None:
    with pytest.raises(UsageError):
        Runner("postgresql://localhost", write("select 1;"), wait=wait)


def test_the_transaction_pooler_is_refused(write: Write) -> None:
    with pytest.raises(ConnectionFailed):
        Runner("postgresql://u@db.example.com:6543/postgres", write("select 1;")).up()


def test_a_server_that_is_not_there_is_a_connection_failure(write: Write) -> None:
    with pytest.raises(ConnectionFailed):
        Runner("postgresql://postgres@127.0.0.1:1/postgres", write("select 1;")).status()


def test_a_malformed_url_is_a_usage_error(write: Write) -> None:
    with pytest.raises(UsageError):
        Runner("postgresql://[", write("select 1;")).status()


def test_a_role_without_rights_is_told_so(bare: Database, write: Write) -> None:
    with pytest.raises(UsageError):
        Runner(bare.dsn("authenticator"), write("select 1;")).up()
