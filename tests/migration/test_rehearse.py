"""Rehearsing what is pending: locks, projected times, the budget, the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.conftest import ROOT, Cluster, Database, cluster_of
from tests.migration.conftest import Write
from tillroll.cli.migrate import app
from tillroll.cli.output import jsonable
from tillroll.migrate import (
    GateFailed,
    HistoryDivergent,
    Rates,
    Rehearsal,
    Runner,
    Sizes,
    StatementEffect,
    TableSize,
    UsageError,
    applied_versions,
    calibrate,
    load_rates,
    rehearse,
    save_rates,
)

SETUP = """
create schema s;
create table s.big (id int primary key, a int, b text);
create table s.small (id int primary key, big_id int);
"""
FIRST = frozenset(["20260101000001"])
PLATFORM = ROOT / "sql/platform"
Rehearse = Callable[..., Rehearsal]


def table(name: str, rows: int, heap_bytes: int, toast_bytes: int = 0) -> TableSize:
    return TableSize(f"s.{name}", rows, heap_bytes, toast_bytes, 0)


def production(*tables: TableSize) -> Sizes:
    return Sizes("18.6", "2026-11-28", tuple(FIRST), tables)


BIG = table("big", 10_000_000, 10**9)
SMALL = table("small", 9_999, 8 * 1024 * 1024 - 1)
SIZES = production(BIG, SMALL)


@pytest.fixture
def after_setup(write: Write, newest: Cluster) -> Rehearse:
    """Rehearse files after SETUP, with the sizes of SIZES; the same ones again where none."""

    def run(*files: str, setup: str = "", sizes: Sizes | None = SIZES, **more: Any) -> Rehearsal:
        folder = write(SETUP + setup, *files) if files else write()
        url = newest.server.dsn()
        return rehearse(folder, FIRST, platform=PLATFORM, shadow_url=url, sizes=sizes, **more)

    return run


def taken(effect: StatementEffect) -> set[tuple[str, str]]:
    return {(lock.relation, lock.mode) for lock in effect.locks}


def over(result: Rehearsal) -> list[tuple[str, int, str, str]]:
    return [
        (each.file[15:], each.statement, each.relation, each.mode) for each in result.over_budget
    ]


def test_only_tables_from_before_the_file_are_told(after_setup: Rehearse) -> None:
    result = after_setup(
        "create table s.new (id int); create index on s.new (id); update s.new set id = 1;",
        "alter table s.new add y int;",
    )
    first, second = result.files
    assert [each.locks for each in first.statements] == [(), (), ()]
    assert [each.scans for each in first.statements] == [(), (), ()]
    assert [taken(each) for each in second.statements] == [{("s.new", "AccessExclusive")}]


def test_a_lock_is_told_where_it_is_taken_or_made_stronger(after_setup: Rehearse) -> None:
    result = after_setup(
        "comment on table s.big is 'x'; create index on s.big (a); create index on s.big (b);"
        "alter table s.big add x int;"
    )
    assert [taken(each) for each in result.files[0].statements] == [
        {("s.big", "ShareUpdateExclusive")},
        {("s.big", "Share")},
        set(),
        {("s.big", "AccessExclusive")},
    ]


def test_a_lock_is_held_from_its_statement_to_the_end_of_the_file(after_setup: Rehearse) -> None:
    result = after_setup("select 1; alter table s.big add x int; create index on s.big (a);")
    one, two, three = (each.seconds_projected or 0 for each in result.files[0].statements)
    (lock,) = result.files[0].statements[1].locks
    assert lock.held_seconds == two + three
    assert three > 100 * one


def test_without_a_transaction_a_lock_is_held_for_its_statement(after_setup: Rehearse) -> None:
    result = after_setup(
        "-- pg-delta: transaction=false\nalter table s.big add x int; create index on s.big (a);"
        "alter table s.big alter a set not null;"
    )
    assert not result.files[0].transactional
    for each, mode in zip(
        result.files[0].statements, ("AccessExclusive", "Share", "AccessExclusive"), strict=True
    ):
        assert taken(each) == {("s.big", mode)}
        assert [lock.held_seconds for lock in each.locks] == [each.seconds_projected]


def test_without_sizes_nothing_is_projected(after_setup: Rehearse) -> None:
    result = after_setup("create index on s.big (a);", sizes=None, budget=0)
    (effect,) = result.files[0].statements
    assert [lock.held_seconds for lock in effect.locks] == [None]
    assert (effect.seconds_projected, result.over_budget) == (None, ())
    assert (result.budget_seconds, result.rates) == (None, None)


def test_a_lock_over_the_budget_is_told_with_its_place(after_setup: Rehearse) -> None:
    result = after_setup("select 1; -- why\n  create index on s.big (a);")
    (found,) = result.over_budget
    assert (found.file, found.line, found.column) == ("20260101000002_step2.sql", 2, 3)
    assert (found.statement, found.slowest_statement) == (2, 2)
    assert (found.relation, found.mode) == ("s.big", "Share")
    assert found.held_seconds > 1
    assert after_setup(budget=1000).over_budget == ()


# What is there besides, the file, and whether it is over the budget.
CASES = [
    ("", "alter table {s}.big alter a set not null;", True),
    (
        "alter table {s}.big add check (a is not null);",
        "alter table {s}.big alter a set not null;",
        False,
    ),
    ("", "create index concurrently i on {s}.big (a);", False),
    ("", "alter table {s}.big add unique (a);", True),
    (
        "create unique index i on {s}.big (a);",
        "alter table {s}.big add unique using index i;",
        False,
    ),
    ("", "alter table {s}.big add check (a > 0);", True),
    ("", "alter table {s}.big add check (a > 0) not valid;", False),
    ("", "alter table {s}.small add foreign key (big_id) references {s}.big;", True),
    ("", "alter table {s}.small add foreign key (big_id) references {s}.big not valid;", False),
    (
        "alter table {s}.big add constraint k check (a > 0) not valid;",
        "alter table {s}.big validate constraint k;",
        False,
    ),
    ("", "alter table {s}.big alter a type bigint;", True),
    ("", "alter table {s}.big alter b type varchar;", False),
    ("", "cluster {s}.big using big_pkey;", True),
    ("", "reindex table {s}.big;", True),
    ("", "truncate {s}.big;", False),
    ("", "update {s}.big set a = 1;", False),
    ("", "lock table {s}.big in share mode; update {s}.big set a = 1;", True),
    ("", "lock table {s}.big in share mode; update {s}.big set a = 1 where id = 7;", False),
    ("", "lock table {s}.big in share mode; delete from {s}.big;", True),
    ("", "lock table {s}.big in share mode; do $$ begin update {s}.big set a = 1; end $$;", True),
    ("", "lock table {s}.big in share mode; create table {s}.x as table {s}.big;", True),
    ("", "lock table {s}.big in share mode; create table {s}.x as table {s}.small;", False),
    ("", "lock table {s}.big in share mode; insert into {s}.small select id from {s}.big;", True),
    (
        "create materialized view {s}.m as table {s}.big;",
        "lock table {s}.big in share mode; refresh materialized view {s}.m;",
        True,
    ),
]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of CASES that break the budget, rehearsed all at once, a schema each."""
    folder = tmp_path_factory.mktemp("migrations")
    first, tables = "", []
    for number, (setup, text, _) in enumerate(CASES):
        name = f"c{number}"
        first += SETUP.replace(" s;", f" {name};").replace("s.", f"{name}.")
        first += setup.replace("{s}", name)
        (folder / f"{20260101000002 + number}_{name}.sql").write_text(text.replace("{s}", name))
        tables += [
            replace(each, relation=each.relation.replace("s.", f"{name}.")) for each in (BIG, SMALL)
        ]
    (folder / "20260101000001_setup.sql").write_text(first)
    result = rehearse(
        folder,
        FIRST,
        platform=PLATFORM,
        shadow_url=cluster_of("18").server.dsn(),
        sizes=production(*tables),
    )
    return {each.file for each in result.over_budget}


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: CASES[number][1][:40])
def test_the_budget_is_for_what_blocks_writers_of_a_big_table(
    broken: set[str], number: int
) -> None:
    assert (f"{20260101000002 + number}_c{number}.sql" in broken) is CASES[number][2]


def test_small_tables_and_new_ones_do_not_count(after_setup: Rehearse) -> None:
    text = "create index on s.small (big_id); alter table s.new add x int;"
    new = "create table s.new (id int);"
    assert over(after_setup(new, text, budget=0)) == []


def test_a_new_table_does_not_count_while_a_big_one_is_worked_on(after_setup: Rehearse) -> None:
    text = "alter table s.new add x int; update s.big set a = 1;"
    assert over(after_setup("create table s.new (id int);", text)) == []


@pytest.mark.parametrize(
    "size",
    [
        replace(SMALL, rows=10_000),
        replace(SMALL, heap_bytes=8 * 1024 * 1024),
        replace(SMALL, toast_bytes=1),
    ],
)
def test_a_table_is_small_by_rows_and_by_bytes(after_setup: Rehearse, size: TableSize) -> None:
    result = after_setup("create index on s.small (big_id);", sizes=production(size), budget=0)
    assert over(result) == [("step2.sql", 1, "s.small", "Share")]


def test_a_small_table_counts_while_a_big_one_is_worked_on(after_setup: Rehearse) -> None:
    result = after_setup("alter table s.small add x int; update s.big set a = 1;")
    assert over(result) == [("step2.sql", 1, "s.small", "AccessExclusive")]
    assert result.over_budget[0].slowest_statement == 2


def test_a_table_is_told_once_a_file(after_setup: Rehearse) -> None:
    text = "create index on s.big (a); alter table s.big add check (a > 0);"
    assert over(after_setup(text, text)) == [
        ("step2.sql", 1, "s.big", "Share"),
        ("step3.sql", 1, "s.big", "Share"),
    ]


def test_a_constraint_that_is_validated_in_its_own_file_is_over_budget(
    after_setup: Rehearse,
) -> None:
    add = "alter table s.small add constraint k foreign key (big_id) references s.big not valid;"
    validate = "alter table s.small validate constraint k;"
    (found, _) = after_setup(add + validate).over_budget
    assert (found.statement, found.slowest_statement) == (1, 2)


def test_validated_in_a_later_file_it_is_not(after_setup: Rehearse) -> None:
    add = "alter table s.small add constraint k foreign key (big_id) references s.big not valid;"
    assert after_setup(add, "alter table s.small validate constraint k;").over_budget == ()


def test_a_renamed_table_keeps_its_size(after_setup: Rehearse) -> None:
    result = after_setup("alter table s.big rename to huge;", "create index on s.huge (a);")
    assert over(result) == [("step3.sql", 1, "s.huge", "Share")]


def test_a_table_that_is_made_anew_has_no_size(after_setup: Rehearse) -> None:
    anew = "drop table s.big; create table s.big (id int);"
    assert after_setup(anew, "create index on s.big (id);").over_budget == ()


def test_a_partitioned_table_is_as_big_as_its_partitions(after_setup: Rehearse) -> None:
    setup = (
        "create table s.p (k int) partition by range (k);"
        "create table s.p1 partition of s.p default;"
    )
    sizes = production(replace(BIG, relation="s.p"), replace(BIG, relation="s.p1"))
    result = after_setup("create index on s.p (k);", setup=setup, sizes=sizes)
    assert {each.relation for each in result.over_budget} == {"s.p", "s.p1"}


def test_twice_the_rows_take_about_twice_as_long(after_setup: Rehearse) -> None:
    twice = replace(BIG, rows=BIG.rows * 2, heap_bytes=BIG.heap_bytes * 2)
    (one,) = after_setup("create index on s.big (a);").over_budget
    (two,) = after_setup(sizes=production(twice)).over_budget
    assert 2 < two.held_seconds / one.held_seconds < 2.2


@pytest.fixture
def seconds(after_setup: Rehearse) -> Callable[[str], list[float]]:
    """How long the statements of a file run, if all but changed rows and keys took no time."""
    rates = Rates(1e12, 1e12, 1e12, 1, 1, 1e-9)

    def run(text: str, setup: str = "", sizes: Sizes = SIZES) -> list[float]:
        result = after_setup(text, setup=setup, sizes=sizes, rates=rates)
        return [round(each.seconds_projected or 0) for each in result.files[0].statements]

    return run


def test_rows_that_a_statement_changes_or_copies_take_their_time(
    seconds: Callable[..., list[float]],
) -> None:
    update = BIG.rows // 2  # a table without an index
    assert seconds(
        "update s.big set a = 1;"
        "update s.big set a = 2;"
        "select count(*) from s.big;"
        "alter table s.big alter a set not null;"
        "select setval('s.q', coalesce(max(a), 1)) from s.big;"
        "delete from s.big;"
        "create table s.copy as table s.big;",
        setup="create sequence s.q;",
    ) == [update, update, 0, 0, 0, update // 5, update // 5]


def test_reading_is_part_of_writing_anew(after_setup: Rehearse) -> None:
    rates = Rates(1, 1, 1e12, 1, 1, 1e-9)
    (effect,) = (
        after_setup("alter table s.big alter a type bigint;", rates=rates).files[0].statements
    )
    # Written anew, and read once more for its index.
    assert round(effect.seconds_projected or 0) == 2 * BIG.heap_bytes


def test_only_the_table_that_is_changed_counts(seconds: Callable[[str], list[float]]) -> None:
    text = "update s.small set big_id = 1 from s.big where big.a = small.big_id;"
    assert seconds(text) == [pytest.approx(SMALL.rows / 2, abs=1)]


def test_a_foreign_key_of_a_partitioned_table_counts_once(
    seconds: Callable[..., list[float]],
) -> None:
    setup = (
        "create table s.p (k int) partition by range (k);"
        "create table s.p1 partition of s.p default;"
    )
    sizes = production(SMALL, replace(BIG, relation="s.p"), replace(BIG, relation="s.p1"))
    text = "alter table s.p add foreign key (k) references s.small;"
    assert seconds(text, setup, sizes) == [BIG.rows + SMALL.rows]


def test_a_second_foreign_key_between_two_tables_counts_too(
    seconds: Callable[..., list[float]],
) -> None:
    add = "alter table s.small add foreign key (big_id) references s.big;"
    assert seconds(add, setup=add) == [BIG.rows + SMALL.rows]


def test_a_foreign_key_to_a_table_of_the_same_file_is_validated(
    seconds: Callable[[str], list[float]],
) -> None:
    text = "create table s.new (id int primary key);"
    assert seconds(text + "alter table s.big add foreign key (a) references s.new;") == [0, 0]


def test_a_file_may_change_its_role_and_its_settings(after_setup: Rehearse) -> None:
    result = after_setup(
        "set role anon; set search_path = ''; select 1; reset role; alter table s.big add x int;"
    )
    assert taken(result.files[0].statements[-1]) == {("s.big", "AccessExclusive")}


def test_vacuum_is_seen(after_setup: Rehearse) -> None:
    (effect,) = after_setup("vacuum s.big;").files[0].statements
    assert taken(effect) == {("s.big", "ShareUpdateExclusive")}
    assert [scan.relation for scan in effect.scans] == ["s.big"]


def test_an_index_that_is_built_concurrently_reads_the_table_twice(after_setup: Rehearse) -> None:
    (effect,) = after_setup("create index concurrently i on s.big (a);").files[0].statements
    assert [(scan.relation, scan.times) for scan in effect.scans] == [("s.big", 2)]
    assert effect.index_builds == ("s.big",)


def test_what_does_not_apply_fails_the_gate(after_setup: Rehearse) -> None:
    with pytest.raises(GateFailed):
        after_setup("alter table s.none add x int;")


def test_a_version_without_a_file_is_refused(write: Write, newest: Cluster) -> None:
    with pytest.raises(HistoryDivergent):
        rehearse(
            write(SETUP),
            FIRST | {"20250101000000"},
            platform=PLATFORM,
            shadow_url=newest.server.dsn(),
        )


def test_what_is_applied_is_told_by_the_history_or_by_a_version(write: Write) -> None:
    folder = write(SETUP, "select 1;", "select 2;")
    two = frozenset(["20260101000001", "20260101000002"])
    assert applied_versions(folder, None, None) == frozenset()
    assert applied_versions(folder, SIZES, None) == FIRST
    assert applied_versions(folder, SIZES, "20260101000002") == two
    with pytest.raises(UsageError):
        applied_versions(folder, SIZES, "20260101000009")
    with pytest.raises(UsageError):
        applied_versions(folder, replace(SIZES, applied=None), None)


def test_rates_are_measured_and_kept(newest: Cluster, tmp_path: Path) -> None:
    rates = calibrate(PLATFORM, newest.server.dsn(), rows=2000)
    assert rates != Rates()
    save_rates(rates, tmp_path / "rates.json")
    assert load_rates(tmp_path / "rates.json") == rates


@pytest.mark.parametrize("text", [None, "", "[]", '{"read_bytes": 0}', '{"scans": 1}'])
def test_a_file_that_holds_no_rates_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "rates.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError):
        load_rates(path)
    with pytest.raises(UsageError):
        save_rates(Rates(), tmp_path / "none" / "rates.json")


@pytest.fixture
def command(write: Write, newest: Cluster, tmp_path: Path) -> Callable[..., Result]:
    """`rehearse` on SETUP and an index on its big table."""
    folder = write(SETUP, "create index on s.big (a);")
    (tmp_path / "stats.json").write_text(json.dumps(jsonable(SIZES)))
    where = ("--dir", folder, "--platform", PLATFORM, "--shadow-url", newest.server.dsn())

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["rehearse", *map(str, (*where, *arguments))])

    return run


def test_a_broken_budget_exits_10_and_a_kept_one_0(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    stats = ("--stats", tmp_path / "stats.json")
    broken = command(*stats, "--json")
    assert broken.exit_code == 10
    (found,) = json.loads(broken.stdout)["over_budget"]
    assert (found["relation"], found["mode"]) == ("s.big", "Share")
    assert "s.big" in command(*stats).stdout
    assert command(*stats, "--budget", 1000).exit_code == 0
    save_rates(replace(Rates(), read_bytes=1e12, index_rows=1e12), tmp_path / "r")
    assert command(*stats, "--rates", tmp_path / "r").exit_code == 0


def test_a_budget_needs_sizes_and_sizes_come_from_one_place(
    command: Callable[..., Result], tmp_path: Path, bare: Database
) -> None:
    assert command("--budget", 1).exit_code == 2
    assert command("--stats", tmp_path / "stats.json", "--db-url", bare.dsn()).exit_code == 2


def test_without_a_database_everything_is_pending(command: Callable[..., Result]) -> None:
    assert [
        len(json.loads(command(*arguments, "--json").stdout)["files"])
        for arguments in (
            (),
            ("--applied-through", "20260101000001"),
            ("--applied-through", "20260101000002"),
        )
    ] == [2, 1, 0]


def test_a_database_tells_its_sizes_and_what_is_applied(
    command: Callable[..., Result], bare: Database, tmp_path: Path
) -> None:
    setup = tmp_path / "only"
    setup.mkdir()
    (setup / "20260101000001_step1.sql").write_text(SETUP)
    Runner(bare.dsn(), setup).up()
    with bare.connect() as conn:
        conn.execute("insert into s.big select g from generate_series(1, 10000) as g")
        conn.execute("analyze s.big")
    result = command("--db-url", bare.dsn(), "--budget", "0", "--json")
    assert result.exit_code == 10
    assert [file["version"] for file in json.loads(result.stdout)["files"]] == ["20260101000002"]


def test_another_version_of_postgres_is_warned_of(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    stats = tmp_path / "stats.json"
    assert "warning" not in command("--stats", stats).stderr
    stats.write_text(json.dumps(jsonable(replace(SIZES, server_version="17.10"))))
    assert "warning" in command("--stats", stats).stderr


def test_calibrate_keeps_its_rates(
    command: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = replace(Rates(), read_bytes=5)
    monkeypatch.setattr("tillroll.cli.migrate.rehearsing.calibrate", lambda *_: measured)
    result = command(
        *("--stats", tmp_path / "stats.json", "--calibrate", "--rates", tmp_path / "r", "--json")
    )
    assert json.loads(result.stdout)["rates"] == jsonable(measured)
    assert load_rates(tmp_path / "r") == measured
