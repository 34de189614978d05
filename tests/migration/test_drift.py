"""Drift: what somebody changed by hand is told, and what the platform has is not."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PASSWORD, ROOT, Cluster, Database, cluster_of
from tests.migration.conftest import Write
from tests.migration.hosted import BY_HAND, FIRST, HOSTED, PLATFORM, SECOND
from tests.migration.test_command import run
from tillroll.migrate import (
    ConnectionFailed,
    Drift,
    Fact,
    HistoryDivergent,
    Runner,
    UsageError,
    drift,
    drift_since_last_up,
)
from tillroll.migrate.level import level


@pytest.fixture
def platform(tmp_path: Path) -> Path:
    return write_platform(tmp_path / "platform")


def write_platform(folder: Path) -> Path:
    shutil.copytree(ROOT / "sql/platform", folder)
    (folder / "90_hosted.sql").write_text(PLATFORM)
    return folder


@pytest.fixture
def live(bare: Database, write: Write) -> Database:
    return applied(bare, write(FIRST, SECOND))


def applied(database: Database, folder: Path, owner: str = "postgres") -> Database:
    with database.connect("supabase_admin") as conn:
        conn.execute(PLATFORM.encode())
        conn.execute(HOSTED.encode())
    Runner(database.dsn(owner), folder).up()
    return database


def look(
    live: Database,
    folder: Path,
    platform: Path,
    *,
    dsn: str = "",
    shadow: str = "",
    schemas: tuple[str, ...] = (),
    through: str | None = None,
) -> Drift:
    return drift(
        dsn or live.dsn(),
        folder,
        platform=platform,
        shadow_url=shadow or live.server.dsn(),
        schemas=schemas,
        through=through,
    )


def test_what_the_platform_has_is_no_drift(live: Database, write: Write, platform: Path) -> None:
    found = look(live, write(), platform)
    assert found.differences == (), [str(each) for each in found.differences]
    assert not found.drifted


def test_what_the_platform_does_is_no_drift(live: Database, write: Write, platform: Path) -> None:
    with live.connect("supabase_admin") as conn:
        conn.execute(
            "alter table auth.users add column again text; create table realtime.more ();"
            "drop event trigger pgrst_ddl_watch; create table novel.more ();"
            "create extension citext schema extensions"
        )
    assert look(live, write(), platform).differences == ()
    assert not drift_since_last_up(live.dsn()).drifted


Told = set[tuple[str, str, str]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What is told of all that at once."""
    cluster = cluster_of("18")
    folder = tmp_path_factory.mktemp("migrations")
    for number, text in enumerate((FIRST, SECOND), 1):
        (folder / f"2026010100000{number}_step.sql").write_text(text)
    live = applied(cluster.database("bare"), folder)
    with live.connect("supabase_admin") as conn:
        for change, _ in BY_HAND.values():
            conn.execute(change.encode())
            conn.execute("reset role")
    found = look(live, folder, write_platform(folder / "platform"))
    cluster.drop(live)
    with Database(cluster.server, "postgres").connect("supabase_admin") as conn:
        conn.execute("drop role tillroll_other")
    assert found.drifted
    return {(each.side, each.kind, each.identity) for each in found.differences}


@pytest.mark.parametrize("expected", [each for _, each in BY_HAND.values()], ids=BY_HAND.keys())
def test_what_somebody_did_by_hand_is_told(told: Told, expected: Told) -> None:
    assert expected - told == set()


def test_nothing_else_is_told(told: Told) -> None:
    assert told == {each for _, expected in BY_HAND.values() for each in expected}


def test_comments_and_layout_of_a_body_are_cosmetic(
    live: Database, write: Write, platform: Path
) -> None:
    with live.connect() as conn:
        conn.execute(
            "create or replace function app.f() returns trigger language plpgsql security definer "
            "set search_path = '' as $$ BEGIN return new; -- so\nend $$"
        )
    found = look(live, write(), platform)
    assert [(each.kind, each.cosmetic) for each in found.differences] == [("function", True)]
    assert not found.drifted


def test_a_schema_can_be_asked_for(live: Database, write: Write, platform: Path) -> None:
    with live.connect() as conn:
        conn.execute("create table app.added ()")
    assert look(live, write(), platform, schemas=("app",)).drifted
    assert not look(live, write(), platform, schemas=("public",)).differences


def test_pending_files_are_not_missed(live: Database, write: Write, platform: Path) -> None:
    assert not look(live, write("create table app.later ();"), platform).drifted


def test_a_file_that_is_gone_or_edited_is_a_divergent_history(
    live: Database, write: Write, platform: Path
) -> None:
    second = write() / "20260101000002_step2.sql"
    second.write_text("select 1;")
    with pytest.raises(HistoryDivergent):
        look(live, write(), platform)
    second.unlink()
    with pytest.raises(HistoryDivergent):
        look(live, write(), platform)


@pytest.fixture
def reader(live: Database) -> Iterator[Database]:
    """The same database for a role that can log in and nothing else."""
    with live.connect("supabase_admin") as conn:
        conn.execute(f"create role tillroll_reader login password '{PASSWORD}'")
    yield live
    with live.connect("supabase_admin") as conn:
        conn.execute("drop owned by tillroll_reader; drop role tillroll_reader")


def test_a_role_without_rights_sees_drift_where_it_is_told_what_is_applied(
    reader: Database, write: Write, platform: Path
) -> None:
    dsn = reader.server.dsn(reader.name, "tillroll_reader", PASSWORD)
    for through in (None, "20260101000003"):
        with pytest.raises(UsageError):
            look(reader, write(), platform, dsn=dsn, through=through)
    found = look(reader, write(), platform, dsn=dsn, through="20260101000002")
    assert found.differences == ()
    assert look(reader, write(), platform, dsn=dsn, through="20260101000001").drifted
    with reader.connect("supabase_admin") as conn:
        conn.execute(
            "grant usage on schema supabase_migrations to tillroll_reader;"
            "grant select on all tables in schema supabase_migrations to tillroll_reader"
        )
    assert look(reader, write(), platform, dsn=dsn).differences == ()
    assert not drift_since_last_up(dsn).drifted


def test_a_database_that_takes_no_writes_will_do(
    live: Database, write: Write, platform: Path
) -> None:
    with live.connect("supabase_admin") as conn:
        conn.execute(f'alter database "{live.name}" set default_transaction_read_only = on')
    found = look(live, write(), platform)
    # That setting is by hand, too.
    assert [each.kind for each in found.differences] == ["setting"]


def test_nothing_can_be_written_by_accident(
    live: Database, write: Write, platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys.modules["tillroll.migrate.drift"],
        "extract",
        lambda conn: conn.execute("create table public.written ()"),
    )
    with pytest.raises(ConnectionFailed):
        look(live, write(), platform)


@pytest.mark.parametrize(("one", "other"), [("15", "18"), ("17", "18"), ("18", "15")])
def test_servers_of_two_versions_are_no_drift(
    write: Write, platform: Path, one: str, other: str
) -> None:
    cluster = cluster_of(one)
    live = applied(cluster.database("bare"), write(FIRST, SECOND))
    url = cluster_of(other).server.dsn()
    same = look(live, write(), platform, shadow=url)
    with live.connect() as conn:
        conn.execute("create or replace view app.v as select id, n, 'two' as word from app.t")
    changed = look(live, write(), platform, shadow=url)
    cluster.drop(live)
    assert same.differences == (), [str(each) for each in same.differences]
    assert (same.live_major, same.shadow_major) == (int(one), int(other))
    assert [each.identity for each in changed.differences] == ["app.v"]


def test_whoever_migrates_is_the_owner(newest: Cluster, write: Write, platform: Path) -> None:
    live = newest.database("bare")
    with live.connect("supabase_admin") as conn:
        conn.execute(
            f"create role tillroll_alice login bypassrls password '{PASSWORD}';"
            "grant postgres, anon, authenticated, service_role to tillroll_alice;"
            f'grant create on database "{live.name}" to tillroll_alice'
        )
    folder = write(FIRST)
    dsn = live.server.dsn(live.name, "tillroll_alice", PASSWORD)
    Runner(dsn, folder).up()
    found = drift(dsn, folder, platform=platform, shadow_url=live.server.dsn())
    newest.drop(live)
    with Database(newest.server, "postgres").connect("supabase_admin") as conn:
        conn.execute("drop role tillroll_alice")
    assert found.differences == (), [str(each) for each in found.differences]


def test_an_older_file_that_was_applied_last_counts_as_the_last_run(
    live: Database, write: Write
) -> None:
    folder = write(**{"20260101000001_between.sql": "create table app.between ();"})
    (folder / "20260101000001_between.sql").rename(folder / "20260101000000_between.sql")
    runner = Runner(live.dsn(), folder)
    runner.up(out_of_order=["20260101000000"])
    assert not drift_since_last_up(live.dsn()).drifted


def test_without_a_fingerprint_of_the_last_run_nothing_can_be_told(live: Database) -> None:
    assert not drift_since_last_up(live.dsn()).drifted
    for spoilt in (
        "insert into supabase_migrations.schema_migrations values ('20260202000000')",
        "delete from supabase_migrations.schema_migrations where version = '20260202000000';"
        "update supabase_migrations.runner_file set facts_after = replace(facts_after, ':18:', "
        "':17:')",
        "update supabase_migrations.runner_file set facts_after = null",
        "drop table supabase_migrations.runner_file",
    ):
        with live.connect() as conn:
            conn.execute(spoilt.encode())
        with pytest.raises(UsageError):
            drift_since_last_up(live.dsn())


def test_the_command_exits_4_on_drift(live: Database, write: Write, platform: Path) -> None:
    where = ("drift", "--db-url", live.dsn(), "--dir", write(), "--json")
    replay = (*where, "--shadow-url", live.server.dsn(), "--platform", platform)
    assert run(*replay).exit_code == 0
    assert run(*where, "--since-last-up").exit_code == 0
    with live.connect() as conn:
        conn.execute("alter table app.t alter n set default 2")
    result = run(*replay)
    assert result.exit_code == 4
    told = json.loads(result.stdout)
    assert told["drifted"]
    assert [each["kind"] for each in told["differences"]] == ["column"]
    assert run(*where, "--since-last-up").exit_code == 4
    assert run(*where, "--since-last-up", "--schema", "app").exit_code == 2
    shown = run(*replay[:5], *replay[6:])
    assert "-default: 1" in shown.stdout
    assert "+default: 2" in shown.stdout


def leveled(kind: str, definition: str, *majors: int) -> list[str]:
    return [each.definition for each in level([Fact(kind, "it", definition)], majors).values()]


def test_what_depends_on_the_server_or_the_reader_is_left_out() -> None:
    assert leveled("extension", "schema: s\nversion: 1.1", 18) == ["schema: s"]
    assert leveled("user mapping", "options: [1]", 18) == [""]
    assert leveled("server", "major: 18", 18) == []


def test_what_only_the_newer_server_can_say_is_left_out() -> None:
    for kind, definition, since, kept in (
        ("type", "not null name: given", 17, ""),
        ("column", "not null name: given\ntype: int", 18, "type: int"),
        ("column", "not null not validated: true", 18, ""),
        ("column", "not null not inherited: true", 18, ""),
        ("subscription", "owner: a\nstream: p", 18, "owner: a"),
        ("publication", "gencols: n\nowner: a", 18, "owner: a"),
        ("collation", "locale: de\nowner: a", 17, "owner: a"),
        ("grants on relation", 'a: ["MAINTAIN", "SELECT"]\nb: ["MAINTAIN"]', 17, 'a: ["SELECT"]'),
        ("default privileges", 'a: ["MAINTAIN with grant option"]', 17, ""),
    ):
        assert leveled(kind, definition, 18) == [definition]
        assert leveled(kind, definition, since) == [definition]
        assert leveled(kind, definition, 18, since - 1) == [kept]
