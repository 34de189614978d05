"""The real Supabase CLI and ours at the same time: each file exactly once, whoever of us fails."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg
import pytest

from tests.conftest import Database
from tests.migration.conftest import Write
from tests.migration.test_up import has, rows
from tests.supabase_cli import start
from tests.waiting import until
from tillroll.migrate import Runner

GATE = "select pg_advisory_xact_lock_shared(7);"
Order = Literal["the CLI first", "we first", "together"]
ORDERS: tuple[Order, ...] = ("the CLI first", "we first", "the CLI first", "we first", "together")
ROUNDS = ORDERS * 2


@pytest.fixture
def folder(bare: Database, write: Write) -> Path:
    """Three files that log themselves; the first waits at the gate in its middle."""
    with bare.connect() as conn:
        conn.execute("create table public.log (what text)")
    files = [f"insert into public.log values ('{name}');" for name in "abc"]
    return write(f"{files[0]} {GATE} insert into public.log values ('a2');", *files[1:])


@contextmanager
def gate(database: Database) -> Iterator[psycopg.Connection]:
    """Closed until the connection is closed, or says otherwise."""
    with database.connect() as holder:
        holder.execute("select pg_advisory_lock(7)")
        yield holder


def waiting(database: Database, event: str) -> list[str]:
    """Who waits for what, by application."""
    with database.connect("supabase_admin") as conn:
        found = conn.execute(
            "select application_name from pg_stat_activity "
            "where datname = %s and wait_event_type = 'Lock' and wait_event = %s",
            (database.name, event),
        )
        return [row[0] for row in found.fetchall()]


def logged(database: Database) -> list[str]:
    with database.connect() as conn:
        return [row[0] for row in conn.execute("select what from public.log order by 1").fetchall()]


def applied_by_us(database: Database, folder: Path) -> list[str]:
    runner = Runner(database.dsn(), folder, lock_timeout=60)
    return [file.name for file in runner.up().applied]


def push(database: Database, folder: Path) -> subprocess.Popen[str]:
    return start(database, folder.parents[1], "db", "push")


@pytest.mark.parametrize("order", ROUNDS)
def test_each_file_is_applied_once_where_both_are_in_the_middle_of_it(
    bare: Database, folder: Path, order: Order
) -> None:
    with ThreadPoolExecutor(1) as pool, gate(bare) as holder:

        def ours() -> Future[list[str]]:
            return pool.submit(applied_by_us, bare, folder)

        def at_the_gate(number: int) -> None:
            # A CLI that fails before it comes here has met us as it made the history's table.
            until(lambda: len(waiting(bare, "advisory")) >= number or cli.poll() is not None)

        if order == "we first":
            run = ours()
            until(lambda: len(waiting(bare, "advisory")) == 1)
        cli = push(bare, folder)
        if order == "the CLI first":
            at_the_gate(1)
        if order != "we first":
            run = ours()
        at_the_gate(2)
        holder.execute("select pg_advisory_unlock(7)")
        by_us = run.result(60)
        _, said = cli.communicate(timeout=60)
    assert logged(bare) == ["a", "a2", "b", "c"], said
    assert [row[0] for row in rows(bare)] == [f"2026010100000{number}" for number in (1, 2, 3)]
    assert cli.returncode == 0 or len(by_us) > 0, said


@pytest.mark.parametrize("order", ["the CLI first", "we first"])
def test_each_file_is_applied_once_where_its_table_is_in_the_way(
    bare: Database, write: Write, order: Order
) -> None:
    """Both create it: the second waits for the first, and the first for the history."""
    folder = write(f"create table public.t (id int); {GATE}")
    with ThreadPoolExecutor(1) as pool, gate(bare) as holder:
        if order == "the CLI first":
            cli = push(bare, folder)
            until(lambda: len(waiting(bare, "advisory")) == 1)
            # Whatever it waits for, it waits half a second at most, then lets the CLI pass.
            run = pool.submit(Runner(bare.dsn(), folder).up)
            until(lambda: "tillroll migrate" in waiting(bare, "transactionid"))
        else:
            run = pool.submit(Runner(bare.dsn(), folder, lock_timeout=60).up)
            until(lambda: len(waiting(bare, "advisory")) == 1)
            cli = push(bare, folder)
            until(lambda: bool(waiting(bare, "transactionid")))
        holder.execute("select pg_advisory_unlock(7)")
        by_us = [file.name for file in run.result(60).applied]
        _, said = cli.communicate(timeout=60)
    assert has(bare, "public.t")
    assert len(rows(bare)) == 1
    first = order == "the CLI first"
    assert (by_us, cli.returncode == 0) == (([], True) if first else (["step1"], False)), said


@pytest.mark.parametrize("ended", ["commit", "rollback"])
def test_the_cli_waits_for_our_lock_and_then_fails_or_goes_on(
    bare: Database, folder: Path, ended: str
) -> None:
    """It waits as long as we hold it: it sets no timeout there."""
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    with ThreadPoolExecutor(1) as pool, gate(bare) as holder:
        run = pool.submit(applied_by_us, bare, folder)
        until(lambda: waiting(bare, "advisory") == ["tillroll migrate"])
        (folder / "20260101000001_step1.sql").write_text("insert into public.log values ('cli');")
        cli = push(bare, folder)
        until(lambda: len(waiting(bare, "relation")) == 1)
        if ended == "rollback":
            with bare.connect() as conn:
                conn.execute(
                    "select pg_cancel_backend(pid) from pg_stat_activity "
                    "where wait_event = 'advisory' and datname = current_database()"
                )
        else:
            holder.execute("select pg_advisory_unlock(7)")
        _, said = cli.communicate(timeout=60)
        error = run.exception(60)
    assert cli.returncode == (1 if ended == "commit" else 0), said
    assert (error is None) == (ended == "commit")
    assert logged(bare) == (["a", "a2"] if ended == "commit" else ["cli"])
    assert len(rows(bare)) == 1
