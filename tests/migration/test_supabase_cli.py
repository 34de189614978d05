"""The real Supabase CLI and ours, on one history: either takes over from the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cluster, Database
from tests.migration.conftest import Write
from tests.migration.hostile import CLI_ONLY
from tests.migration.test_up import has, rows
from tests.supabase_cli import run, supabase
from tillroll.migrate import HistoryDivergent, MigrationFailed, PartWay, Runner, UsageError, repair

TABLES = "create table public.t (id int); create table public.log (what text);"
DIRECTIVE = "-- pg-delta: transaction=false"
INDEX = "create index concurrently t_id on public.t (id);"
FILES = {
    "20260101000001_tables.sql": TABLES,
    "20260101000002_no-newline.sql": "select 1 as nonl",
    "20260101000003_empty.sql": "",
    "20260101000004_functions.sql": "create function public.f() returns int return 1; -- why;\n",
}


@pytest.fixture
def theirs(newest: Cluster) -> Database:
    return newest.database("bare")


def table(database: Database) -> list[tuple[object, ...]]:
    with database.connect() as conn:
        return conn.execute(
            "select a.attnum, a.attname, a.atttypid::regtype::text, a.attnotnull, "
            "(select pg_get_constraintdef(c.oid) from pg_constraint as c "
            "where c.conrelid = a.attrelid and c.contype = 'p') "
            "from pg_attribute as a "
            "where a.attrelid = 'supabase_migrations.schema_migrations'::regclass "
            "and a.attnum > 0 order by 1"
        ).fetchall()


def count(database: Database, what: str) -> int:
    with database.connect() as conn:
        found = conn.execute("select count(*) from public.log where what = %s", (what,)).fetchone()
        assert found is not None
        return int(found[0])


def states(database: Database, folder: Path) -> list[str]:
    return [file.state for file in Runner(database.dsn(), folder).status().files]


def test_the_history_is_the_clis_table(bare: Database, theirs: Database, write: Write) -> None:
    folder = write(**FILES)
    supabase(theirs, folder.parents[1], "db", "push")
    Runner(bare.dsn(), folder).up()
    assert rows(bare) == rows(theirs)
    assert table(bare) == table(theirs)


def test_what_the_cli_pushed_is_applied_for_us(bare: Database, write: Write) -> None:
    folder = write(**FILES)
    supabase(bare, folder.parents[1], "db", "push")
    status = Runner(bare.dsn(), folder).status()
    assert (status.pending, status.divergent) == (0, False)
    assert {(file.state, file.verified) for file in status.files} == {("applied", True)}
    write(**{"20260201000000_more.sql": "create table public.more (id int);"})
    assert [file.name for file in Runner(bare.dsn(), folder).up().applied] == ["more"]


def test_what_we_applied_is_applied_for_the_cli(bare: Database, write: Write) -> None:
    folder = write(**FILES)
    Runner(bare.dsn(), folder).up()
    before = rows(bare)
    listed = json.loads(
        supabase(bare, folder.parents[1], "migration", "list", "--output-format", "json")
    )
    versions = [name[:14] for name in sorted(FILES)]
    assert [(each["local"], each["remote"]) for each in listed["migrations"]] == [
        (version, version) for version in versions
    ]
    supabase(bare, folder.parents[1], "db", "push")
    assert rows(bare) == before


def test_the_directive_is_one_line_for_both_of_us(
    bare: Database, theirs: Database, write: Write
) -> None:
    """The same bytes are stored, the directive with them; a byte order mark is not."""
    step = f"insert into public.log values ('{{}}'); {INDEX}"
    folder = write(
        TABLES,
        f"{DIRECTIVE}\n{step.format('lf')}",
        f"\ufeff{DIRECTIVE}\r\n{step.format('crlf').replace('t_id', 't_id2')}",
        f"{DIRECTIVE}\nbegin;\ninsert into public.log values ('whole');\ncommit;",
        f"{step.format('none').replace('t_id', 't_id3')} select 1;",
    )
    supabase(theirs, folder.parents[1], "db", "push")
    Runner(bare.dsn(), folder).up()
    assert rows(bare) == rows(theirs)
    assert rows(bare)[1][2][0] == f"{DIRECTIVE}\ninsert into public.log values ('lf')"
    for database in (bare, theirs):
        assert [count(database, what) for what in ("lf", "crlf", "whole", "none")] == [1, 1, 1, 1]
        assert all(has(database, index) for index in ("t_id", "t_id2", "t_id3"))
    assert set(states(theirs, folder)) == {"applied"}


def test_begin_and_commit_below_the_directive_still_make_one_transaction(
    bare: Database, write: Write
) -> None:
    folder = write(
        TABLES,
        f"{DIRECTIVE}\nbegin; insert into public.log values ('a'); select 1 / 0; commit;",
    )
    with pytest.raises(MigrationFailed):
        Runner(bare.dsn(), folder).up()
    assert (count(bare, "a"), states(bare, folder)) == (0, ["applied", "pending"])
    assert run(bare, folder.parents[1], "db", "push").returncode != 0
    assert (count(bare, "a"), states(bare, folder)) == (0, ["applied", "pending"])


def test_what_a_failed_push_leaves_of_a_file_without_a_transaction_is_pending_for_all(
    bare: Database, write: Write
) -> None:
    """The CLI keeps no journal: only a person can see that its file is part-way."""
    folder = write(TABLES, f"{DIRECTIVE}\ninsert into public.log values ('a'); select 1 / 0;")
    assert run(bare, folder.parents[1], "db", "push").returncode != 0
    assert count(bare, "a") == 1
    assert states(bare, folder) == ["applied", "pending"]
    assert run(bare, folder.parents[1], "db", "push").returncode != 0
    assert count(bare, "a") == 2


def test_the_cli_begins_a_file_anew_that_we_left_part_way(bare: Database, write: Write) -> None:
    """Hence: `resume` before `supabase db push`. Afterwards its row is the truth."""
    folder = write(TABLES, f"{DIRECTIVE}\ninsert into public.log values ('a'); select 1 / 0;")
    with pytest.raises(PartWay):
        Runner(bare.dsn(), folder).up()
    assert states(bare, folder) == ["applied", "part_way"]
    write(
        **{
            "20260101000002_step2.sql": f"{DIRECTIVE}\ninsert into public.log values ('a');",
            "20260101000003_step3.sql": "insert into public.log values ('b');",
        }
    )
    supabase(bare, folder.parents[1], "db", "push")
    assert count(bare, "a") == 2
    assert states(bare, folder) == ["applied"] * 3
    write("insert into public.log values ('c');")
    assert [file.name for file in Runner(bare.dsn(), folder).up().applied] == ["step4"]


def test_what_the_cli_repairs_is_repaired_for_us(bare: Database, write: Write) -> None:
    folder = write(TABLES, "insert into public.log values ('a');", "select 3;")
    project = folder.parents[1]
    Runner(bare.dsn(), folder).up()
    repair = ("migration", "repair", "--status")
    supabase(bare, project, *repair, "reverted", "20260101000003")
    assert states(bare, folder) == ["applied", "applied", "pending"]
    supabase(bare, project, *repair, "reverted", "20260101000002")
    assert states(bare, folder) == ["applied", "pending", "pending"]
    supabase(bare, project, *repair, "applied", "20260101000003")
    assert states(bare, folder) == ["applied", "out_of_order", "applied"]
    with pytest.raises(HistoryDivergent):
        Runner(bare.dsn(), folder).up()
    supabase(bare, project, "db", "push", "--include-all")
    assert count(bare, "a") == 2
    assert states(bare, folder) == ["applied"] * 3
    # Its repair of an edited file stores what the file says now: our own row counts no more.
    write(**{"20260101000003_step3.sql": "select 4;"})
    assert states(bare, folder)[2] == "edited"
    supabase(bare, project, *repair, "applied", "20260101000003")
    assert states(bare, folder)[2] == "applied"
    # Without versions it writes the whole history anew, from the files.
    supabase(bare, project, *repair, "applied")
    assert states(bare, folder) == ["applied"] * 3


def test_applied_files_that_we_would_refuse_are_applied_all_the_same(
    bare: Database, write: Write
) -> None:
    folder = write(*CLI_ONLY.values())
    supabase(bare, folder.parents[1], "db", "push")
    assert states(bare, folder) == ["applied"] * len(CLI_ONLY)
    write("create table public.after (id int);")
    assert len(Runner(bare.dsn(), folder).up().applied) == 1
    first, *others = sorted(folder.iterdir())
    first.write_bytes(b"select '\xe9', 1;")
    others[1].write_text("-- once more\n" + others[1].read_text())
    assert states(bare, folder)[:3] == ["edited", "applied", "cosmetic"]


def test_versions_that_are_no_timestamps_are_remote_only_for_us(
    bare: Database, write: Write
) -> None:
    """The CLI takes any digits. We apply no such file, and nothing beside one that it applied."""
    folder = write(**{"1_short.sql": TABLES, "20260101000000_.sql": "select 1;"})
    supabase(bare, folder.parents[1], "db", "push")
    write(**{"20260201000000_more.sql": "select 2;"})
    status = Runner(bare.dsn(), folder).status()
    assert status.remote_only == ("1", "20260101000000")
    assert status.ignored == ("1_short.sql", "20260101000000_.sql")
    with pytest.raises(UsageError):
        Runner(bare.dsn(), folder).up()
    (folder / "1_short.sql").rename(folder / "20251231000000_short.sql")
    (folder / "20260101000000_.sql").rename(folder / "20260101000000_one.sql")
    repair(bare.dsn(), folder, align=True)
    assert [file.name for file in Runner(bare.dsn(), folder).up().applied] == ["more"]
