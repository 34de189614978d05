"""A package's migrations in a project that has its own."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.conftest import ROOT, Database
from tests.supabase_cli import supabase
from tests.world import household
from tillroll.cli.app import app
from tillroll.migrate import HistoryDivergent, Release, Runner, UsageError, install
from tillroll.migrate.files import MigrationFile, next_version, read_folder

OURS = ROOT / "supabase" / "migrations"
NOW = datetime(2026, 12, 1, 10, 0, 59, tzinfo=UTC)
CONFIG = '[api]\nport = 54321\nschemas = ["public", "graphql_public"]\n'
FIRST = """\
-- The first one.
create schema shop;
comment on schema shop is $$Two
lines.$$;
create table shop.items (id bigint primary key); -- all there is
create function public.shop_count() returns bigint language sql as
$$ select count(*) from shop.items -- all
$$;
"""
SECOND = "create table shop.sales (id bigint);\ncreate or replace function public.shop_count() "
SECOND += "returns bigint language sql as 'select 0::bigint';\n"
THIRD = "create index concurrently sales_id on shop.sales (id);\n"
NAMES = ("20260101000001_first.sql", "20260101000002_second.sql", "20260101000003_third.sql")
TEXTS = dict(zip(NAMES, (FIRST, SECOND, THIRD), strict=True))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without migrations."""
    folder = tmp_path / "project"
    (folder / "supabase").mkdir(parents=True)
    (folder / "supabase" / "config.toml").write_text(CONFIG)
    return folder


Releases = Callable[..., Release]


@pytest.fixture
def release(tmp_path: Path) -> Releases:
    """Make a release of the package `shop` with its first migrations, or with other ones."""

    def make(count: int = 1, **texts: str) -> Release:
        folder = tmp_path / f"shop-{count}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, text in (texts or {name: TEXTS[name] for name in NAMES[:count]}).items():
            (folder / name).write_text(text)
        return Release("shop", f"1.{count}", folder, ("shop",))

    return make


def tree(project: Path) -> dict[str, bytes | None]:
    """Every folder and file below, to the byte."""
    return {
        str(path.relative_to(project)): None if path.is_dir() else path.read_bytes()
        for path in sorted(project.rglob("*"))
    }


def add(project: Path, text: str | bytes, name: str = "20260301000000_own.sql") -> Path:
    folder = project / "supabase" / "migrations"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def refused(error: type[Exception], project: Path, *arguments: Any, **named: Any) -> None:
    """It is refused, and nothing was written."""
    before = tree(project)
    with pytest.raises(error):
        install(project, *arguments, now=NOW, **named)
    assert tree(project) == before


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["install", *map(str, arguments)])


# The whole way, with the real CLI


def test_the_ledger_comes_into_a_project_and_is_upgraded_there(
    bare: Database, project: Path, tmp_path: Path
) -> None:
    add(project, "create table public.notes (id int, body text);", "20260301000000_notes.sql")
    add(
        project,
        "create function public.f() returns int language sql as 'select 1';\n"
        "create schema app; create view app.ledger as select 1 as one;",
        "20260302000000_f.sql",
    )
    old = tmp_path / "0.1.0"
    old.mkdir()
    (first, *later) = sorted(OURS.iterdir())
    shutil.copy(first, old)

    def push() -> None:
        supabase(bare, project, "db", "push")
        status = Runner(bare.dsn(), project / "supabase" / "migrations").status()
        assert {file.state for file in status.files} == {"applied"}
        assert not status.divergent

    push()
    done = install(project, Release("tillroll", "0.1.0", old, ("ledger",)))
    assert [file.source for file in done.files] == [first.name]
    push()
    with household(bare) as home:
        home.fund(5)

    add(project, "alter table public.notes add column at date;", "21000101000000_at.sql")
    push()
    upgraded = run(project, "--json")
    assert upgraded.exit_code == 0, upgraded.output
    new = [file["source"] for file in json.loads(upgraded.stdout)["files"] if file["new"]]
    assert new == [file.name for file in later]
    push()
    with household(bare) as home:
        home.fund(7)
        home.pay(home.as_user("alice"), "bank", "cash", 7)
        home.assert_sound()
    with bare.connect() as owner:
        row = owner.execute("select count(*) from ledger.books").fetchone()
    assert row == (2,)

    before = tree(project)
    again = run(project, "--json")
    assert (again.exit_code, json.loads(again.stdout)["written"]) == (0, [])
    assert tree(project) == before


# What is written


def test_a_file_is_a_comment_and_then_the_released_bytes(project: Path, release: Releases) -> None:
    made = release(3)
    done = install(project, made, now=NOW)
    assert [file.path for file in done.files] == [
        f"supabase/migrations/{version}_shop_{name}.sql"
        for version, name in (
            ("20261201100059", "first"),
            ("20261201100100", "second"),
            ("20261201100101", "third"),
        )
    ]
    for file in done.files:
        content = (project / file.path).read_bytes()
        top, found, rest = content.partition((made.folder / file.source).read_bytes())
        assert (found, rest) == (TEXTS[file.source].encode(), b"")
        assert all(line.startswith(b"--") for line in top.splitlines())
        assert b"1.3" in top
    assert done.written == (
        *(file.path for file in done.files),
        "supabase/config.toml",
    )
    assert '"graphql_public", "shop"]' in (project / "supabase/config.toml").read_text()


def test_what_runs_without_a_transaction_still_does(project: Path, release: Releases) -> None:
    marked = {NAMES[0]: "-- pg-delta: transaction=false\ncreate table public.shop_a ();\n"}
    for made in (release(3), release(9, **marked)):
        shutil.rmtree(project / "supabase" / "migrations", ignore_errors=True)
        path = project / install(project, made, now=NOW).files[-1].path
        assert path.read_text().startswith("-- pg-delta: transaction=false\n")
        assert not MigrationFile("", "", path).read().transactional
        assert install(project, made, now=NOW).written == ()


def test_an_upgrade_writes_only_what_is_new(project: Path, release: Releases) -> None:
    first = install(project, release(1), now=NOW)
    add(project, "create table public.own ();", "20270101000000_own.sql")
    before = tree(project)
    second = install(project, release(2), now=NOW)
    assert [file.new for file in second.files] == [False, True]
    assert second.files[0].path == first.files[0].path
    assert second.files[1].path == "supabase/migrations/20270101000001_shop_second.sql"
    after = tree(project)
    changed = {path for path in after if before.get(path) != after[path]}
    assert changed == {second.files[1].path} == set(second.written)
    assert install(project, release(2), now=NOW).written == ()


def test_a_dry_run_tells_and_writes_nothing(project: Path, release: Releases) -> None:
    before = tree(project)
    told = install(project, release(2), now=NOW, dry_run=True)
    assert tree(project) == before
    done = install(project, release(2), now=NOW)
    assert (told.files, told.written, told.config) == (done.files, done.written, done.config)
    assert '"shop"' in done.config


def failing(
    real: Callable[..., Any], step: int, error: type[BaseException], late: bool
) -> Callable[..., Any]:
    """A function that fails at its n-th call, before or after it has done its work."""
    calls = itertools.count(1)

    def call(*arguments: Any, **named: Any) -> Any:
        now = next(calls) == step
        if now and not late:
            raise error
        done = real(*arguments, **named)
        if now:
            raise error
        return done

    return call


@pytest.mark.parametrize("fresh", [True, False], ids=["installed", "upgraded"])
@pytest.mark.parametrize("late", [True, False], ids=["after it", "before it"])
@pytest.mark.parametrize(
    ("owner", "name"), [(os, "replace"), (Path, "write_bytes"), (Path, "mkdir")]
)
def test_a_write_that_fails_leaves_nothing(
    project: Path,
    release: Releases,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    late: bool,
    fresh: bool,
) -> None:
    if not fresh:
        install(project, release(1), now=NOW)
        (project / "supabase" / "config.toml").write_text(CONFIG)
    upgrade, before, steps = release(3), tree(project), 0
    for step in itertools.count(1):
        error = OSError if step % 2 else KeyboardInterrupt
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, failing(getattr(owner, name), step, error, late))
            try:
                install(project, upgrade, now=NOW)
            except (UsageError, KeyboardInterrupt):
                steps = step
            else:
                break
        assert tree(project) == before
    files = 4 if fresh else 3
    assert steps == {"replace": files, "write_bytes": files, "mkdir": int(fresh)}[name]


def test_the_config_keeps_its_rights_its_mark_and_its_link(
    project: Path, release: Releases, tmp_path: Path
) -> None:
    config = project / "supabase" / "config.toml"
    real = tmp_path / "shared.toml"
    real.write_bytes(b"\xef\xbb\xbf" + CONFIG.encode())
    real.chmod(0o640)
    config.unlink()
    config.symlink_to(real)
    install(project, release(1), now=NOW)
    assert config.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    wanted = CONFIG.replace('"]', '", "shop"]').encode()
    assert real.read_bytes() == b"\xef\xbb\xbf" + wanted


# What is there already


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.rename(path.with_name("20261201100059_other.sql")),
        lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n")),
        lambda path: path.write_text(path.read_text().replace("create schema", "CREATE\n  SCHEMA")),
        lambda path: path.write_text(FIRST),
        lambda path: path.write_text("-- ours\n" + path.read_text()),
    ],
    ids=["renamed", "line ends", "laid out anew", "comment removed", "comment added"],
)
def test_a_file_is_known_by_what_it_says(
    project: Path, release: Releases, change: Callable[[Path], object]
) -> None:
    change(project / install(project, release(1), now=NOW).files[0].path)
    assert install(project, release(1), now=NOW).written == ()
    assert [file.new for file in install(project, release(2), now=NOW).files] == [False, True]


def test_what_was_copied_in_by_hand_is_installed(project: Path, release: Releases) -> None:
    add(project, FIRST, NAMES[0])
    done = install(project, release(2), now=NOW)
    assert [file.new for file in done.files] == [False, True]


def test_a_killed_install_is_completed_by_the_next(
    project: Path, release: Releases, tmp_path: Path
) -> None:
    done = install(project, release(3), now=NOW)
    for kept in range(3):
        copy = tmp_path / f"killed-{kept}"
        shutil.copytree(project, copy)
        for file in done.files[kept:]:
            (copy / file.path).unlink()
        again = install(copy, release(3), now=NOW)
        assert [file.new for file in again.files] == [number >= kept for number in range(3)]


def test_files_of_mere_comments_are_not_taken_for_one_another(
    project: Path, release: Releases
) -> None:
    made = release(9, **{NAMES[0]: "-- nothing\n", NAMES[1]: SECOND})
    add(project, "-- nothing here either\n")
    assert [file.new for file in install(project, made, now=NOW).files] == [True, True]
    assert install(project, made, now=NOW).written == ()


def edit(path: Path) -> None:
    path.write_text(path.read_text().replace("bigint primary", "int primary"))


def edit_beyond_recognition(path: Path) -> None:
    path.rename(path.with_name("20261201100059_x.sql")).write_text("create schema shop;")


def double(path: Path) -> None:
    shutil.copy(path, path.with_name("20261201100058_again.sql"))


def move_behind(path: Path) -> None:
    path.rename(path.with_name("20270101000000_late.sql"))


@pytest.mark.parametrize(
    "change", [edit, edit_beyond_recognition, Path.unlink, double, move_behind]
)
def test_a_file_that_is_not_as_it_was_installed_is_refused(
    project: Path, release: Releases, change: Callable[[Path], object]
) -> None:
    change(project / install(project, release(2), now=NOW).files[0].path)
    for count in (2, 3):
        refused(HistoryDivergent, project, release(count))


def test_an_older_release_is_refused(project: Path, release: Releases) -> None:
    install(project, release(2), now=NOW)
    refused(UsageError, project, release(1))


# What is refused before anything is written

TAKEN = {
    "schema": "create schema shop;",
    "schema, quoted": 'create schema if not exists "shop" authorization postgres;',
    "schema of a role": "create schema authorization shop;",
    "schema, renamed to it": "create schema app; alter schema app rename to shop;",
    "table": "create table shop.other (id int);",
    "table as": "create table shop.other as select 1 as one;",
    "foreign table": "create foreign table shop.other (id int) server s;",
    "table, moved": "create table other (id int); alter table other set schema shop;",
    "view": "create view shop.other as select 1 as one;",
    "materialized view": "create materialized view shop.other as select 1 as one;",
    "sequence": "create sequence shop.other;",
    "index": "create index other on shop.other (id);",
    "composite type": "create type shop.other as (id int);",
    "enum": "create type shop.other as enum ('a');",
    "range": "create type shop.other as range (subtype = int);",
    "domain": "create domain shop.other as int;",
    "type, moved": "create type other as enum (); alter type other set schema shop;",
    "function": "create function public.shop_count() returns int language sql as 'select 1';",
    "procedure": "create procedure shop_count() language sql as 'select 1';",
    "aggregate": "create aggregate shop_count(int) (sfunc = int4pl, stype = int);",
    "function, renamed": (
        "create function g() returns int language sql as 'select 1';"
        "alter function g() rename to shop_count;"
    ),
}
FREE = {
    "elsewhere": "create schema shops; create table public.shop (id int);",
    "words": "comment on schema public is 'create schema shop;'; -- create schema shop;",
    "another name": 'create schema "Shop";',
    "schema, renamed away": "create schema shop; create table shop.t (); "
    "alter schema shop rename to mine;",
    "schema, dropped": "create schema shop; create type shop.t as enum (); "
    "drop schema if exists shop, x cascade;",
    "function, dropped": (
        "create function public.shop_count() returns int language sql as 'select 1';"
        "drop function if exists shop_count();"
    ),
    "type, dropped": "create domain shop.d as int; drop domain shop.d;",
    "table, moved away": "create table shop.t (); alter table shop.t set schema public;",
    "view, dropped": "create view shop.v as select 1 as one; drop view shop.v;",
    "parts": "alter table public.t rename column a to shop; drop policy shop on public.t;",
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_name_that_is_taken_is_refused(project: Path, release: Releases, name: str) -> None:
    add(project, TAKEN[name])
    refused(UsageError, project, release(2))


@pytest.mark.parametrize("name", FREE)
def test_a_name_that_is_free_is_not(project: Path, release: Releases, name: str) -> None:
    add(project, FREE[name])
    assert all(file.new for file in install(project, release(2), now=NOW).files)


def test_names_are_followed_through_the_files_in_their_order(
    project: Path, release: Releases
) -> None:
    add(project, "create schema shop;", "20260301000000_a.sql")
    add(project, "drop schema shop;", "20260302000000_b.sql")
    add(project, "create schema shop;", "9.sql")
    refused(UsageError, project, release(1))
    (project / "supabase" / "migrations" / "9.sql").unlink()
    install(project, release(1), now=NOW)


def test_an_upgrade_looks_for_what_it_adds_only(project: Path, release: Releases) -> None:
    install(project, release(1), now=NOW)
    own = add(
        project,
        "create table shop.notes (id int);"
        "create or replace function public.shop_count() returns bigint language sql as 'select 7';",
        "20270101000000_own.sql",
    )
    install(project, release(2), now=NOW, dry_run=True)
    own.write_text("create table shop.sales (id int);")
    refused(UsageError, project, release(2))


def test_fourteen_digits_are_all_there_are() -> None:
    with pytest.raises(UsageError):
        next_version("99999999999999", NOW)


@pytest.mark.parametrize(
    "name", ["1_x.sql", "20251231_x.sql", "9.sql", "9_x.sql", "99991231235959_x.sql"]
)
def test_other_versions_are_no_hindrance(project: Path, release: Releases, name: str) -> None:
    add(project, "select 1;", name)
    install(project, release(3), now=NOW)
    versions = [file.version for file in read_folder(project / "supabase" / "migrations").files]
    assert versions[-3:] == sorted(versions)[-3:]


def test_a_project_that_cannot_be_read_is_refused(project: Path, release: Releases) -> None:
    config = project / "supabase" / "config.toml"
    own = add(project, b"select '\xff';")
    refused(UsageError, project, release(1))
    own.write_text("select from where;")
    refused(UsageError, project, release(1))
    own.unlink()
    for text in ("[api", '[api]\nschemas = "x"\n'):
        config.write_text(text)
        refused(UsageError, project, release(1))
    config.write_text(CONFIG)
    config.unlink()
    refused(UsageError, project, release(1))


def test_a_package_is_not_installed_into_itself() -> None:
    before = tree(ROOT / "supabase")
    with pytest.raises(UsageError):
        install(ROOT, Release("tillroll", "1", OURS, ("ledger",)))
    assert tree(ROOT / "supabase") == before


# The command


def test_the_command_finds_the_project_around_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "src").mkdir()
    monkeypatch.chdir(project / "src")
    told = run("--dry-run")
    assert told.exit_code == 0
    paths = told.stdout.splitlines()
    assert len(paths) == len(list(OURS.iterdir())) + 1
    assert not (project / "supabase" / "migrations").exists()
    done = run("--json")
    assert [each["source"] for each in json.loads(done.stdout)["files"]] == sorted(
        path.name for path in OURS.iterdir()
    )
    assert run().stdout == ""


def test_the_command_exits_2_and_9_where_the_library_refuses(project: Path) -> None:
    assert run(project.parent).exit_code == 2
    assert run(project).exit_code == 0
    path = min((project / "supabase" / "migrations").iterdir())
    path.write_text(path.read_text().replace("create schema", "create  schema if not exists", 1))
    refusal = run(project, "--json")
    assert refusal.exit_code == 9
    assert json.loads(refusal.stdout)["error"]["code"] == "history_divergent"
