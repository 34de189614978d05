"""Sizes of a database's tables: read-only, by a role without rights, kept as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import PASSWORD, Cluster, Database
from tests.migration.conftest import Write
from tillroll.cli.migrate import app
from tillroll.cli.output import jsonable
from tillroll.migrate import (
    ConnectionFailed,
    LockContention,
    Runner,
    TableSize,
    UsageError,
    load_sizes,
    sizes_of,
)

TABLES = """
create schema s;
create table s."A table" (id int primary key, a text);
create index on s."A table" (a);
alter table s."A table" alter a set storage external;
"""
ROWS = "insert into s.\"A table\" select g, repeat('x', 100) from generate_series({}, {}) as g;"


def find(database: Database, relation: str = 's."A table"') -> TableSize:
    (found,) = (each for each in sizes_of(database.dsn()).tables if each.relation == relation)
    return found


def test_sizes_are_those_of_the_server(empty: Database) -> None:
    with empty.connect() as conn:
        conn.execute(TABLES + ROWS.format(1, 3000))
        conn.execute("insert into s.\"A table\" values (0, repeat('y', 2600))")
        conn.execute('analyze s."A table"')
        told = conn.execute(
            "select c.reltuples::int, pg_relation_size(c.oid), "
            "pg_total_relation_size(c.reltoastrelid), "
            "(select count(*) from pg_index as i where i.indrelid = c.oid) "
            "from pg_class as c where c.relname = 'A table'"
        ).fetchone()
        size = find(empty)
    assert (
        size.rows,
        size.heap_bytes,
        size.toast_bytes,
        size.indexes,
    ) == told
    assert (size.rows, size.indexes) == (3001, 2)
    assert size.toast_bytes > 0


def test_rows_of_a_table_that_was_never_analyzed_are_estimated(empty: Database) -> None:
    with empty.connect() as conn:
        conn.execute("create table public.t (id bigint, a int, b text)")
        conn.execute(
            "insert into public.t select g, g, repeat('x', 30) from generate_series(1, 9000) as g"
        )
    size = find(empty, "public.t")
    assert 6000 < size.rows < 13000


def test_temporary_tables_are_nobodys(bare: Database) -> None:
    with bare.connect() as conn:
        conn.execute("create temporary table t (id int)")
        names = {each.relation for each in sizes_of(bare.dsn()).tables}
    assert not any(name.startswith("pg_temp") for name in names)


def test_rows_of_a_table_that_was_empty_when_it_was_analyzed_are_estimated(bare: Database) -> None:
    with bare.connect() as conn:
        conn.execute(TABLES)
        conn.execute('vacuum analyze s."A table"')
        conn.execute(ROWS.format(1, 3000))
    size = find(bare)
    assert 1000 < size.rows < 9000


def test_rows_grow_with_the_pages_since_the_last_analyze(bare: Database) -> None:
    with bare.connect() as conn:
        conn.execute(TABLES + ROWS.format(1, 3000))
        conn.execute('analyze s."A table"')
        conn.execute(ROWS.format(3001, 9000))
    assert 8900 < find(bare).rows < 9100


def test_a_partitioned_table_is_the_sum_of_its_partitions(bare: Database) -> None:
    with bare.connect() as conn:
        conn.execute(
            "create table public.p (k int) partition by range (k);"
            "create table public.p1 partition of public.p for values from (0) to (1000);"
            "create table public.p2 partition of public.p default partition by range (k);"
            "create table public.p3 partition of public.p2 default;"
            "insert into public.p select g from generate_series(1, 3000) as g; analyze public.p;"
        )
    whole, middle = find(bare, "public.p"), find(bare, "public.p2")
    parts = [find(bare, f"public.{name}") for name in ("p1", "p3")]
    assert (whole.rows, middle.rows) == (3000, 2001)
    assert whole.heap_bytes == sum(part.heap_bytes for part in parts)


def test_a_role_without_rights_reads_the_sizes_but_not_the_history(
    bare: Database, write: Write
) -> None:
    Runner(bare.dsn(), write(TABLES)).up()
    with bare.connect("supabase_admin") as admin:
        admin.execute(ROWS.format(1, 3000))
        admin.execute(f"create role tillroll_reader login password '{PASSWORD}'")
        try:
            admin.execute("begin")
            dsn = bare.server.dsn(bare.name, "tillroll_reader", PASSWORD)
            sizes = sizes_of(dsn)
        finally:
            admin.execute("rollback")
            admin.execute("drop role tillroll_reader")
    assert find(bare).heap_bytes in {each.heap_bytes for each in sizes.tables}
    assert sizes.applied is None
    assert sizes_of(bare.dsn()).applied == ("20260101000001",)


def test_it_is_done_in_a_read_only_transaction(
    bare: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tillroll.migrate.rehearsal.sizes._TABLES", "create table public.t ()")
    with pytest.raises(ConnectionFailed):
        sizes_of(bare.dsn())


def test_a_table_that_is_locked_against_everybody_is_not_waited_for(
    bare: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tillroll.migrate.rehearsal.sizes._BEGIN", "set local lock_timeout = '50ms'"
    )
    with bare.connect() as conn:
        conn.execute(TABLES)
        conn.execute('begin; lock table s."A table"')
        with pytest.raises(LockContention):
            sizes_of(bare.dsn())


def test_the_command_writes_what_a_rehearsal_reads(bare: Database, tmp_path: Path) -> None:
    with bare.connect() as conn:
        conn.execute(TABLES + ROWS.format(1, 30))
    for more in ([], ["--json"]):
        result = CliRunner().invoke(app, ["stats", "--db-url", bare.dsn(), *more])
        assert result.exit_code == 0
        (tmp_path / "stats.json").write_text(result.stdout)
        sizes = load_sizes(tmp_path / "stats.json")
        assert jsonable(sizes) == json.loads(result.stdout)
        assert 's."A table"' in {each.relation for each in sizes.tables}


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"applied": null, "tables": [1]}'])
def test_a_file_that_holds_no_sizes_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "stats.json").write_text(text)
    with pytest.raises(UsageError):
        load_sizes(tmp_path / "stats.json")


def test_a_server_of_each_version_says_which_it_is(empty: Database, cluster: Cluster) -> None:
    with empty.connect() as conn:
        told = conn.execute("show server_version").fetchone()
    assert told is not None
    assert sizes_of(empty.dsn()).server_version == told[0].split()[0]
