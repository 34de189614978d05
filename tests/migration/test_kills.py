"""Runners killed −9 at random moments: a transactional file is all there or not at all, a file
without a transaction goes on where it was, and every statement has its effect once."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.conftest import Cluster, Database
from tests.migration.conftest import Write
from tests.waiting import until
from tillroll.migrate import Runner

KILLS = 200
SEED = 20261128
FILES = (
    "create table public.log (file int, part int); insert into public.log values (1, 1);",
    "insert into public.log values (2, 1); create table public.a (id int); "
    "insert into public.a select generate_series(1, 3000); insert into public.log values (2, 2);",
    "insert into public.log values (3, 1); create index concurrently a_id on public.a (id); "
    "insert into public.log values (3, 2); create index concurrently a_more on public.a (id); "
    "insert into public.log values (3, 3);",
    "insert into public.log values (4, 1); create table public.b (); "
    "insert into public.log values (4, 2);",
)
FORGET = "drop schema supabase_migrations cascade; drop table public.log, public.a, public.b"
ALL = [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 1), (4, 2)]


@contextmanager
def victims() -> Iterator[subprocess.Popen[str]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "tests.migration.victim"]
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        yield process
        process.stdin.close()


def left_by(database: Database) -> tuple[list[str], list[tuple[int, int]]]:
    """The applied versions' last digits, and the log."""
    with database.connect() as conn:
        conn.execute("begin isolation level repeatable read")
        found = conn.execute("select to_regclass('supabase_migrations.schema_migrations')")
        if found.fetchone() == (None,):
            return [], []
        versions = conn.execute(
            "select right(version, 1) from supabase_migrations.schema_migrations order by 1"
        )
        applied = [row[0] for row in versions.fetchall()]
        log = []
        if "1" in applied:
            log = conn.execute("select file, part from public.log order by 1, 2").fetchall()
        return applied, log


@pytest.mark.parametrize("part", range(4))
def test_runners_killed_at_random_moments_leave_nothing_half_done(
    newest: Cluster, write: Write, part: int
) -> None:
    dice = random.Random(SEED + part)
    folder = write(*FILES)
    database = newest.database("bare")
    with victims() as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        whole = 2.0  # seconds; the first is not killed but measured
        for number in range(KILLS // 4 + 1):
            starter.stdin.write(f"{database.dsn()} {folder}\n")
            starter.stdin.flush()
            pid = int(starter.stdout.readline())
            began = time.monotonic()
            process = psutil.Process(pid)
            if number:
                time.sleep(dice.uniform(0, whole))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            until(lambda: not process.is_running())  # noqa: B023
            whole = whole if number else time.monotonic() - began
            applied, log = left_by(database)
            for file in (1, 2, 4):
                parts = [each for each in ALL if each[0] == file]
                there = [each for each in log if each[0] == file]
                assert there == (parts if str(file) in applied else [])
            runner = Runner(database.dsn(), folder)
            runner.resume()
            runner.up()
            assert left_by(database) == (["1", "2", "3", "4"], ALL)
            with database.connect() as conn:
                conn.execute(FORGET)
    newest.drop(database)
