"""Real processes of `tillroll migrate` that are stopped or fail: what they leave, what they say."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.migration.conftest import Write
from tests.migration.test_up import has
from tests.waiting import until

TILLROLL = Path(sys.executable).with_name("tillroll")
ENDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
SLEEPS = "select pg_sleep(600)"
FIRST = "create table public.first ();"


@contextmanager
def started(
    *arguments: object, ignoring: signal.Signals | None = None
) -> Iterator[subprocess.Popen[str]]:
    def prepare() -> None:  # a shell that puts us into the background lets us ignore SIGINT
        for number in ENDS:
            signal.signal(number, signal.SIG_IGN if number == ignoring else signal.SIG_DFL)

    process = subprocess.Popen(
        [TILLROLL, "migrate", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def running(database: Database, query: str) -> bool:
    with database.connect("supabase_admin") as conn:
        found = conn.execute(
            "select count(*) from pg_stat_activity where datname = current_database() "
            "and state = 'active' and pid <> pg_backend_pid() and query ilike %s",
            (f"%{query}%",),
        ).fetchone()
    return found != (0,)


@pytest.mark.parametrize("number", ENDS, ids=str)
def test_a_stopped_run_leaves_nothing_running_and_nothing_half_done(
    bare: Database, write: Write, number: signal.Signals
) -> None:
    folder = write(FIRST, f"create table public.second (); {SLEEPS};")
    with started("up", "--db-url", bare.dsn(), "--dir", folder, "--json") as process:
        until(lambda: running(bare, "pg_sleep"))
        process.send_signal(number)
        told, talk = process.communicate(timeout=60)
    assert process.returncode == 130, talk
    assert not running(bare, "pg_sleep")
    assert (has(bare, "public.first"), has(bare, "public.second")) == (True, False)
    error = json.loads(told)["error"]
    assert (error["code"], error["fix"]) == ("interrupted", "")
    assert [file["name"] for file in error["applied"]] == ["step1"]


@pytest.mark.parametrize("number", ENDS, ids=str)
@pytest.mark.parametrize("command", ["up", "resume"])
def test_a_file_without_a_transaction_that_is_stopped_names_resume(
    bare: Database, write: Write, command: str, number: signal.Signals
) -> None:
    folder = write(
        f"{FIRST} create index concurrently on_nothing on public.first (a);"
        if command == "resume"
        else f"-- pg-delta: transaction=false\n{FIRST} {SLEEPS};"
    )
    where = ("--db-url", bare.dsn(), "--dir", folder, "--json")
    if command == "resume":  # a statement that has failed is another one by then
        with started("up", *where) as process:
            process.communicate(timeout=60)
        write(
            **{
                "20260101000001_step1.sql": f"{FIRST} {SLEEPS}; "
                "create index concurrently i on public.first ((1));"
            }
        )
    with started(command, *where) as process:
        until(lambda: running(bare, "pg_sleep"))
        process.send_signal(number)
        told, talk = process.communicate(timeout=60)
    assert process.returncode == 130, talk
    assert not running(bare, "pg_sleep")
    assert has(bare, "public.first")
    error = json.loads(told)["error"]
    assert (error["code"], error["fix"]) == ("interrupted", "tillroll migrate resume")


def test_what_is_ignored_as_under_nohup_stays_so(bare: Database, write: Write) -> None:
    folder = write("select pg_sleep(2);")
    where = ("--db-url", bare.dsn(), "--dir", folder)
    with started("up", *where, ignoring=signal.SIGHUP) as process:
        until(lambda: running(bare, "pg_sleep"))
        process.send_signal(signal.SIGHUP)
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 0, talk


def test_a_failure_tells_what_was_applied_before_and_nothing_of_psycopg(
    bare: Database, write: Write
) -> None:
    folder = write(FIRST, "select 1;\nselect 1 / 0;\n" + "select 2;\n" * 2000)
    with started("up", "--db-url", bare.dsn(), "--dir", folder, "--json") as process:
        told, talk = process.communicate(timeout=60)
    assert process.returncode == 7
    error = json.loads(told)["error"]
    assert [file["version"] for file in error["applied"]] == ["20260101000001"]
    assert talk == (f"applied 20260101000001_step1.sql: 1 statements\nerror: {error['message']}\n")


@pytest.mark.parametrize(
    "arguments",
    [("up", "--nonsense"), ("up", "--wait", "nan"), ("status", "--dir")],
    ids=" ".join,
)
def test_a_wrong_option_is_a_document_too(arguments: tuple[str, ...]) -> None:
    with started(arguments[0], "--json", *arguments[1:]) as process:
        told, talk = process.communicate(timeout=60)
    assert process.returncode == 2
    error = json.loads(told)["error"]
    assert error["code"] == "usage"
    assert error["message"] in talk
