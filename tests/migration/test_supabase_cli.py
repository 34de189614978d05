"""The real Supabase CLI and ours, on one history: either takes over from the other."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Cluster, Database
from tests.migration.conftest import Write
from tests.migration.test_up import rows
from tests.supabase_cli import supabase
from tillroll.migrate import Runner

EVERY_CUT = """\
-- a header

create table public.a (id int primary key); -- behind; it's
/* block; /* nested; */ */
create table public.b (
  id int -- inner;
);
create function public.f() returns text language sql as $$
  select 'a;b' || ';';
$$;
create function public.g(x int) returns text language sql
BEGIN ATOMIC
  select case when x = 1 then case when true then 'a;' else 'b' end else 'end;' end;
  select 'end';
END;
do $body$ begin perform 1; end $body$;
insert into public.a values (1);;
-- alone
;
select E'it\\'s; \\\\', 'x''y;', '\\', U&'d\\0061t;', "id;" from (select 1 as "id;") as q;
create rule r as on insert to public.b do also (select 1; select 2);
create table public.foo$bar$ (id int); create table public.x$a$ (y$a$ int);
select ';' as ";""x", $$;$$, $q$ $$;$$ $q$, B'101', N'n;';
select 1 as "begin atomic"; select 2 as atomic;
comment on schema public is $$it's; ünïcode 🎉;$$;
-- the end, without a statement
"""
FILES = {
    "20260101000001_every_cut.sql": EVERY_CUT,
    "20260101000002_no-newline.sql": "select 1 as nonl",
    "20260101000003_empty.sql": "",
    "20260101000004_comment.sql": "-- nothing but this\n",
    "20260101000005_crlf.sql": "create table public.crlf (id int);\r\n\r\nselect 1;\r\n",
    "20260101000006_bom.sql": "\ufeffselect 2;\n",
    "20260101000007_blank.sql": "  \r\n\t-- a\r\n;\f select 1 ;\v",
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


def test_our_history_equals_the_clis_byte_for_byte(
    bare: Database, theirs: Database, write: Write
) -> None:
    folder = write(**FILES)
    supabase(theirs, folder.parents[1], "db", "push")
    Runner(bare.dsn(), folder).up()
    assert len(rows(bare)) == len(FILES)
    assert rows(bare) == rows(theirs)
    assert table(bare) == table(theirs)


def test_what_the_cli_pushed_is_applied_for_us(bare: Database, write: Write) -> None:
    folder = write(**FILES)
    supabase(bare, folder.parents[1], "db", "push")
    status = Runner(bare.dsn(), folder).status()
    assert status.pending == ()
    assert not status.divergent
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
