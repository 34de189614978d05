"""`tillroll migrate`: exit codes, one JSON object, and when it asks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.conftest import ROOT, Cluster, Database
from tests.migration.conftest import Write
from tillroll.cli.migrate import app
from tillroll.migrate import is_loopback

REMOTE = "postgresql://postgres@db.example.invalid/postgres"


def run(*arguments: object, **kwargs: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **kwargs)


def test_status_exits_3_before_and_0_after_up(bare: Database, write: Write) -> None:
    where = ("--dir", write("select 1;", "select 2;"), "--json")
    before = run("status", "--db-url", bare.dsn(), *where)
    assert before.exit_code == 3
    assert json.loads(before.stdout)["pending"] == 2
    up = run("up", "--db-url", bare.dsn(), *where)
    assert up.exit_code == 0
    assert [file["name"] for file in json.loads(up.stdout)["applied"]] == ["step1", "step2"]
    after = run("status", *where, env={"TILLROLL_DB_URL": bare.dsn()})
    assert after.exit_code == 0
    assert json.loads(after.stdout)["pending"] == 0


@pytest.mark.parametrize(("user", "expected"), [("supabase_admin", True), ("postgres", False)])
def test_up_warns_a_superuser_once_it_has_applied_something(
    bare: Database, write: Write, user: str, expected: bool
) -> None:
    where = ("up", "--db-url", bare.dsn(user), "--dir", write("select 1;"), "--json")
    for warned in (expected, False):  # the second time nothing is pending
        result = run(*where)
        assert json.loads(result.stdout)["superuser"] is warned
        assert ("superuser" in result.stderr) is warned


def test_the_flag_is_stronger_than_the_environment(bare: Database, write: Write) -> None:
    result = run(
        *("status", "--db-url", bare.dsn(), "--dir", write("select 1;")),
        env={"TILLROLL_DB_URL": "postgresql://postgres@127.0.0.1:1/postgres"},
    )
    assert result.exit_code == 3


def test_a_failed_file_exits_7_and_says_where(bare: Database, write: Write) -> None:
    folder = write("select 1;\nselect 1 / 0;")
    result = run("up", "--db-url", bare.dsn(), "--dir", folder, "--json")
    assert result.exit_code == 7
    error = json.loads(result.stdout)["error"]
    assert (error["code"], error["line"], error["sqlstate"]) == ("migration_failed", 2, "22012")


def test_a_divergent_history_exits_9(bare: Database, write: Write) -> None:
    folder = write("select 1;")
    run("up", "--db-url", bare.dsn(), "--dir", folder)
    (folder / "20260101000001_step1.sql").unlink()
    for command in ("status", "up"):
        assert run(command, "--db-url", bare.dsn(), "--dir", folder).exit_code == 9


def test_the_pooler_exits_5_and_a_missing_folder_2(tmp_path: Path, write: Write) -> None:
    pooler = "postgresql://postgres@127.0.0.1:6543/postgres"
    assert run("status", "--db-url", pooler, "--dir", write("select 1;")).exit_code == 5
    assert run("up", "--db-url", pooler, "--dir", tmp_path / "none").exit_code == 2


def test_held_locks_exit_6(bare: Database, write: Write) -> None:
    folder = write("select 1;")
    run("up", "--db-url", bare.dsn(), "--dir", folder)
    write("select 2;")
    with bare.connect() as other:
        other.execute(
            "begin; lock table supabase_migrations.schema_migrations in row exclusive mode"
        )
        result = run("up", "--db-url", bare.dsn(), "--dir", folder, "--wait", "0.1")
    assert result.exit_code == 6


@pytest.mark.parametrize("command", ["up", "resume"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--lock-timeout", value) for value in ("0", "0.0004", "-1", "nan", "inf", "1e9")),
        *(("--wait", value) for value in ("-0.1", "nan", "inf", "1e9")),
    ],
)
def test_a_time_that_the_server_cannot_take_is_refused(
    write: Write, command: str, option: str, value: str
) -> None:
    where = ("--db-url", "postgresql://u@127.0.0.1:1/d", "--dir", write("select 1;"))
    assert run(command, *where, option, value).exit_code == 2


def test_the_briefest_times_are_taken(bare: Database, write: Write) -> None:
    where = ("--db-url", bare.dsn(), "--dir", write("select 1;"))
    assert run("up", *where, "--lock-timeout", "0.001", "--wait", "0").exit_code == 0


@pytest.mark.parametrize("command", ["status", "up", "plan"])
@pytest.mark.parametrize(
    "name",
    [
        b"a\n\x07b.sql",
        b"\xff.sql",
        b"20260101000002_a\x07b.sql",
    ],
)
def test_a_name_that_cannot_be_printed_is_not_printed_as_it_is(
    bare: Database, write: Write, command: str, name: bytes
) -> None:
    folder = write("select 1;")
    (folder / os.fsdecode(name)).write_text("select 2;")
    where = ("--db-url", bare.dsn(), "--dir", folder, *["--no-rehearsal"] * (command == "plan"))
    for result in (run(command, *where), run(command, *where, "--json")):
        assert result.exit_code in {0, 2, 3}, result.exception
        assert "\x07" not in result.output
        assert "a\n" not in result.output
    assert json.loads(result.stdout)


def test_another_machine_needs_yes_where_nobody_can_be_asked(write: Write) -> None:
    folder = write("select 1;")
    assert run("up", "--db-url", REMOTE, "--dir", folder).exit_code == 2
    assert run("up", "--db-url", REMOTE, "--dir", folder, "--yes").exit_code == 5


def test_another_machine_is_asked_about_on_a_terminal(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write("select 1;")
    monkeypatch.setattr("tillroll.cli.migrate.options.interactive", lambda: True)
    assert run("up", "--db-url", REMOTE, "--dir", folder, input="n\n").exit_code == 2
    assert run("up", "--db-url", REMOTE, "--dir", folder, input="y\n").exit_code == 5
    unanswered = run("up", "--db-url", REMOTE, "--dir", folder, "--json", input="")
    assert unanswered.exit_code == 130
    assert json.loads(unanswered.stdout)["error"]["code"] == "interrupted"


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://u@localhost/d", True),
        ("postgresql://u@127.0.0.2:5432/d", True),
        ("postgresql://u@[::1]/d", True),
        ("postgresql:///d?host=/run/postgresql", True),
        ("postgresql:///d", True),
        ("postgresql://u@db.example.com/d", False),
        ("postgresql://u@10.0.0.1/d", False),
        ("postgresql://u@localhost,db.example.com/d", False),
        ("host=localhost hostaddr=10.0.0.1", False),
    ],
)
def test_loopback_is_told_from_other_machines(
    dsn: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGHOST", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)
    assert is_loopback(dsn) is expected


def test_new_writes_an_empty_file_into_the_projects_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "supabase").mkdir()
    (tmp_path / "sql").mkdir()
    monkeypatch.chdir(tmp_path / "sql")
    result = run("new", "add_notes", "--json")
    assert result.exit_code == 0
    path = Path(json.loads(result.stdout)["path"])
    assert path.parent == tmp_path / "supabase" / "migrations"
    assert path.read_text() == ""


def test_check_exits_0_and_10(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest: Cluster
) -> None:
    (tmp_path / "supabase").mkdir()
    (tmp_path / "functions").mkdir()
    (tmp_path / "sql").mkdir()
    source = tmp_path / "sql" / "app.sql"
    source.write_text("create schema app; create table app.t (id int);")
    monkeypatch.chdir(tmp_path)
    shadow = ("--shadow-url", newest.server.dsn(), "--platform", ROOT / "sql/platform", "--json")
    assert run("new", "initial", "--from-sources", *shadow).exit_code == 0
    assert json.loads(run("check", *shadow).stdout)["equal"] is True
    source.write_text("create schema app; create table app.t (id bigint);")
    result = run("check", *shadow)
    assert result.exit_code == 10
    assert [each["kind"] for each in json.loads(result.stdout)["differences"]] == ["column"]
    # In text, one block a difference.
    assert run("check", *shadow[:-1]).stdout.startswith("different: column app.t.id")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:s3cret@[::1/d",
        "postgresql://u:s3cret%zz@h/d",
        "postgresql://u:s3cret@h/d?bogus=1",
        "postgresql://u:s3cret/x@h:5432/d",
        "postgresql://u:x@s3cret@h/d",
        'host=h password="s3cret x"',
        "s3cret",
    ],
)
@pytest.mark.parametrize("command", ["status", "up"])
def test_a_malformed_url_is_refused_without_its_password(
    write: Write, dsn: str, command: str
) -> None:
    told = run(command, "--db-url", dsn, "--dir", write("select 1;"), "--json")
    assert told.exit_code == 2
    assert "s3cret" not in told.output
    fault = told.exception
    while fault is not None:
        assert "s3cret" not in str(fault)
        fault = fault.__cause__ or fault.__context__
