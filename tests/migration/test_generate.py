"""The next migration out of changed sources: applied to a database with rows, it makes what the
sources say, and loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, cluster_of
from tests.migration.shop import FILES, Project, Shop
from tests.migration.test_command import run
from tillroll.migrate import GenerateResult, UsageError
from tillroll.migrate.draft import renaming

pytestmark = pytest.mark.xdist_group("generate")  # they share what `shop` makes


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"), cluster_of("18"))


@pytest.fixture
def project(shop: Shop, tmp_path: Path) -> Project:
    return shop.project(tmp_path)


def unsettled(result: GenerateResult) -> set[tuple[str, str]]:
    return {(each.kind, each.identity) for each in result.unsettled}


def test_new_objects_come_as_the_text_of_their_files(shop: Shop) -> None:
    text = shop.file.read_text()
    assert all(part in text for part in FILES.values())
    assert text.endswith("\nnotify pgrst, 'reload schema';\n")


def test_where_nothing_but_layout_differs_nothing_is_written(project: Project) -> None:
    project.edit("functions/app/is_shown.sql", ("select n", "-- shown\n  select  n"))
    assert project.generate() == GenerateResult(None, "", (), ())
    assert project.written() == 1


def test_functions_come_as_their_files_and_replace_what_they_can(project: Project) -> None:
    project.edit("functions/app/is_shown.sql", ("n > 0", "n > 1"))
    project.edit("functions/app/touch.sql", ("return new", "return null"))
    project.edit("functions/app/noted.sql", ("return 1", "return 2"))
    project.edit("functions/app/total.sql", ("int default 1", "int default 1, plus int default 0"))
    project.edit("sql/app/shown.sql", ("i.name", "i.name, i.kind"))
    sql = project.up()
    assert (project.root / "functions/app/is_shown.sql").read_text() in sql
    assert "create or replace function app.touch()" in sql
    # An old signature that stayed would be a second candidate of every call.
    assert [line for line in sql.splitlines() if line.startswith("drop")] == [
        "drop function app.total(factor integer);"
    ]
    assert project.ask("select kind, app.total() from app.shown order by id")[0] == ("a", 6)
    # The file of this function has a row, too, which was there already.
    assert project.ask("select app.noted(), count(*) from app.extra") == [(2, 1)]


def test_what_cannot_be_replaced_is_made_again_with_what_leans_on_it(project: Project) -> None:
    project.edit("sql/app/shown.sql", ("i.id, i.n, i.name", "i.n, i.id, i.name"))
    project.edit("functions/app/is_shown.sql", ("n int", "number int"), ("n > 0", "number > 0"))
    # Only its layout differs, but the view takes it along.
    project.edit("functions/app/described.sql", ("    select", "  select"))
    sql = project.up()
    assert sql.index("drop function app.total") < sql.index("drop view app.shown;")
    assert project.ask("select app.total(), (select count(*) from app.shown_twice)") == [(6, 3)]
    rights = (
        "select has_table_privilege('authenticated', 'app.shown', 'select'), "
        "has_function_privilege('anon', 'app.is_shown(int)', 'execute'), "
        "has_function_privilege('authenticated', 'app.is_shown(int)', 'execute')"
    )
    assert project.ask(rights) == [(True, False, True)]


def test_columns_and_tables_are_added_with_all_that_they_have(project: Project) -> None:
    project.edit(
        "sql/app/items.sql",
        ("name varchar(20)", "name text not null"),
        (
            "    extent app.pair,\n",
            "    extent app.pair,\n"
            "    note text collate \"C\" default 'it''s' not null,\n"
            "    thrice bigint generated always as (n * 3) stored,\n"
            "    serial int generated always as identity,\n"
            "    born timestamptz default now() constraint born_late check (born > '2000-01-01'),\n"
            "    friend bigint,\n"
            "    constraint items_friend_fkey foreign key (friend) references app.items (id),\n",
        ),
        (
            "comment on table",
            "create unique index on app.items (note, id);\n"
            "grant insert (note) on app.items to authenticated;\n"
            "comment on column app.items.note is $$a\\b\nc$$;\n"
            "comment on column app.items.friend is $$a\\b\nc$$;\n"
            "comment on table",
        ),
    )
    project.edit("sql/app/odd.sql", ('"a.b" int)', '"a.b" int, "c d" int not null)'))
    project.edit("sql/app/odd.sql", ("using (true);", "using (\"Key\" > 'a') -- not all"))
    project.edit("sql/app/kinds.sql", ("tags text[]", "tags text[], weight text default '1'"))
    sizes = (
        "-- Sizes.\ncreate table app.sizes (\n"
        "    n int generated always as identity primary key,\n    t text\n);\n"
        "create index on app.sizes (t);\n"
        "create materialized view app.big as select s.n from app.sizes as s where s.n > 1;\n"
        "create unique index big_n on app.big (n);\n"
    )
    rows = "-- reference rows: app.sizes\ninsert into app.sizes (t) values ('S'), ('M');\n"
    project.put({"sql/app/sizes.sql": sizes, "sql/seed/sizes.sql": rows})
    project.put({"sql/plain.sql": "create table plain (id int);\n"})
    sql = project.up()
    assert sizes in sql
    assert rows in sql
    assert sql.count("a\\b\nc") == 2
    assert "-- Fails where the table has rows" in sql
    # The view leans on the column, its constraint does not stand in the way.
    assert "drop constraint" not in sql
    found = project.ask("select name, note, thrice, serial, friend from app.items order by id")
    assert found == [
        ("one", "it's", 3, 1, None),
        ("two", "it's", 6, 2, None),
        ("3", "it's", 9, 3, None),
    ]
    # There is no cast from text to int that is made by itself, and none of the default.
    project.edit("sql/app/kinds.sql", ("weight text default '1'", "weight int default 1 not null"))
    project.edit("sql/app/sizes.sql", ("s.n > 1", "s.n > 0"))
    project.edit("sql/seed/sizes.sql", ("('M')", "('M'), ('L')"))
    project.up()
    assert project.ask("select distinct weight from app.kinds") == [(1,)]
    assert project.ask("select n, t from app.sizes order by n") == [(1, "S"), (2, "M"), (3, "L")]


def test_everything_is_altered_there_and_back(project: Project) -> None:
    project.edit(
        "sql/app/items.sql",
        ("n int not null default 1", "n int not null"),
        ("app.mood default 'good'", "app.mood default 'bad'"),
        ("kind text not null", "kind text"),
        ("items_n_positive check (n > 0)", "items_n_positive check (n > -1)"),
        ("items_kind_fkey", "items_kind_fk"),
        ("constraint items_pkey", "constraint items_name_key unique (name), constraint items_pk"),
        ("on app.items (kind);", "on app.items (kind, n) where n > 1;"),
        ("before update on", "after update on"),
        ("for select to authenticated\nusing (app.is_shown(n));", "using (n > 2);"),
        ("select, update (name)", "insert, select (id), delete"),
        ("'Items.'", "'Things.'"),
        (
            "enable row level security;",
            "enable row level security;\nalter table app.items force row level security;\n"
            "create policy items_add on app.items for insert with check (true);\n"
            "create statistics app.items_stats on kind, n from app.items;\n",
        ),
    )
    project.edit("sql/app/shown.sql", ("security_invoker", "security_barrier"))
    project.edit("sql/app/pair.sql", ("b text", "b text, c date"))
    project.edit("sql/app/small.sql", ("100", "1000"))
    project.put({"sql/app/numbers.sql": "create sequence app.numbers increment 5;\n"})
    project.edit(
        "sql/seed/kinds.sql",
        (
            "('a', 'A'), ('b', 'B'), ('z', 'Z')",
            "('a', 'A''s', '{x,y}'), ('c', E'\\\\C', null), ('b', 'B', '{}'), ('z', 'Z', null)",
        ),
    )
    before = project.ask("select id, kind, name, n, state, size from app.items")
    sql = project.up()
    assert "drop index app.items_kind_idx" in sql
    assert project.ask("select code, name, tags from app.kinds order by code") == [
        ("a", "A's", ["x", "y"]),
        ("b", "B", []),
        ("c", "\\C", None),
        ("z", "Z", None),
    ]
    project.put({name: text for name, text in FILES.items() if name != "sql/app/pair.sql"})
    project.up(
        allow_drop=[
            "app.items items_name_key",
            "app.items items_add",
            "app.items_stats",
            "app.kinds",  # of this its rows
        ]
    )
    assert project.ask("select id, kind, name, n, state, size from app.items") == before
    assert project.ask("select code, name, tags from app.kinds order by code") == [
        ("a", "A", None),
        ("b", "B", None),
        ("z", "Z", None),
    ]


def test_renamed_things_keep_what_they_hold(project: Project) -> None:
    project.remove("sql/app/items.sql", "functions/app/touch.sql", "sql/app/shown_twice.sql")
    items = FILES["sql/app/items.sql"].replace("items", "things").replace("touch()", "touched()")
    shown = FILES["sql/app/shown.sql"].replace("app.items", "app.things")
    touch = FILES["functions/app/touch.sql"].replace("touch", "touched")
    project.put(
        {
            "sql/app/things.sql": items.replace("name", "title"),
            "sql/app/shown.sql": shown.replace("i.name", "i.title as name"),
            "functions/app/touched.sql": touch,
            "sql/app/extra.sql": FILES["sql/app/extra.sql"].replace("touch()", "touched()"),
            "sql/app/seen.sql": FILES["sql/app/shown_twice.sql"].replace("shown_twice", "seen"),
        }
    )
    rows = project.ask("table app.items")
    sql = project.up(
        renames={
            "app.items": "things",
            "app.items_id_seq": "things_id_seq",
            "app.items.name": "title",
            "app.touch": "app.touched",
            "app.shown_twice": "seen",
        }
    )
    assert "drop" not in sql
    assert project.ask("table app.things") == rows


def test_nothing_is_dropped_that_is_not_named(project: Project) -> None:
    project.remove(
        "functions/app/touch.sql",
        "functions/app/total.sql",
        "sql/app/shown_twice.sql",
        "sql/app/small.sql",
        "sql/app/extra.sql",
        "sql/app/gone.sql",
        "functions/app/noted.sql",
    )
    over = "create or replace function app.over(a bigint) returns int language sql return 1;\n"
    project.put({"functions/app/over.sql": over})
    text = FILES["sql/app/items.sql"]
    text = text[: text.index("-- To find")] + text[text.index("alter table") :]
    text = text.partition("comment on column")[0]
    for gone in (
        "    constraint items_size_key unique (size),\n",
        "    size app.small,\n",
        ",\n    constraint items_n_positive check (n > 0)",
        "create policy items_read on app.items for select to authenticated\n"
        "using (app.is_shown(n));\n",
    ):
        assert gone in text
        text = text.replace(gone, "")
    odd = FILES["sql/app/odd.sql"].partition("create index")[0]
    project.put({"sql/app/items.sql": text, "sql/app/odd.sql": odd})
    project.edit("sql/seed/kinds.sql", (", ('z', 'Z')", ""))
    result = project.generate()
    assert result.path is None
    assert project.written() == 1
    assert ("column", "app.extra.t") not in unsettled(result)  # the table says enough
    assert "comment on" not in result.sql
    assert sorted(result.dropped) == [
        'app."Odd Table" "by a.b"',
        'app."Odd Table" "may read"',
        "app.extra",
        "app.gone",
        "app.items items_kind_idx",
        "app.items items_n_positive",
        "app.items items_read",
        "app.items items_size_key",
        "app.items items_touch",
        "app.items.size",
        'app.kinds {"code": "z"}',
        "app.noted()",
        "app.over(a integer)",
        "app.over(a text)",
        "app.shown_twice",
        "app.small",
        "app.total(factor integer)",
        "app.touch()",
    ]
    project.up(allow_drop=result.dropped)
    assert project.ask("select id, n from app.items order by id") == [(1, 1), (2, 2), (3, 3)]


def test_what_would_lose_values_is_refused(project: Project) -> None:
    # A column is generated by this function, and a table does not become a view.
    project.edit("functions/app/doubled.sql", ("n int", "number int"), ("n *", "number *"))
    project.put({"sql/app/extra.sql": "create view app.extra as select 1 as one, 2 as m;"})
    project.remove("functions/app/noted.sql")
    # No statement of the sources takes this back.
    schema = FILES["sql/app/schema.sql"].rpartition("alter default")[0]
    project.put({"sql/app/schema.sql": schema})
    result = project.generate()
    assert result.path is None
    assert result.dropped == ("app.noted()",)
    assert "alter default" not in result.sql
    assert {
        ("relation", "app.extra"),
        ("function", "app.doubled(number integer)"),
        ("default privileges", "postgres r in app"),
    } <= unsettled(result)


def test_what_cannot_be_done_is_told_and_written_only_when_asked_for(project: Project) -> None:
    # A new value of an enum cannot be used by the transaction that adds it.
    project.edit("sql/app/mood.sql", ("'good', 'bad'", "'best', 'good', 'so so', 'it''s', 'bad'"))
    project.edit("sql/app/items.sql", ("default 'good'", "default 'best'"))
    project.edit("sql/app/items.sql", ("    n int", "    note text,\n    n int"))
    result = project.generate()
    assert result.path is None
    expected = {("column", "app.items.state"), ("column order", "app.items")}
    assert unsettled(result) == expected
    project.edit("sql/app/items.sql", ("    note text,\n", ""))
    project.edit("sql/app/items.sql", ("extent app.pair,", "extent app.pair,\n    note text,"))
    result = project.generate(partial=True)
    assert unsettled(result) == {("column", "app.items.state")}
    assert result.path is not None
    assert "app.items.state" in Path(result.path).read_text().split("alter ")[0]
    # What is committed can be used by the next.
    project.up()
    assert project.ask("select enum_range(null::app.mood)::text") == [
        ('{best,good,"so so",it\'s,bad}',)
    ]


def test_what_it_has_no_statement_for_is_told(project: Project) -> None:
    project.edit(
        "sql/app/items.sql",
        ("generated by default as", "generated always as"),
        ("app.doubled(n))", "app.doubled(n + 1))"),
        ("comment on policy items_read on app.items is 'What is shown.';\n", ""),
        (
            "comment on table",
            "alter table app.items replica identity full;\n"
            "alter table app.items disable trigger items_touch;\ncomment on table",
        ),
    )
    project.edit("sql/app/small.sql", ("as int", "as int default 5 not null"))
    project.edit(
        "sql/app/extra.sql", ("comment", "alter sequence app.extra_id_seq cycle;\ncomment")
    )
    project.edit("sql/app/schema.sql", ("grant truncate", "grant truncate, select"))
    result = project.generate()
    assert result.path is None
    assert unsettled(result) == {
        ("column", "app.items.id"),
        ("default privileges", "postgres r in app"),
        ("column", "app.items.twice"),
        ("comment", "policy items_read on app.items"),
        ("relation", "app.items"),
        ("sequence", "app.extra_id_seq"),
        ("trigger", "app.items items_touch"),
        ("type", "app.small"),
    }


def test_names_that_mean_nothing_are_refused(project: Project) -> None:
    project.edit("functions/app/is_shown.sql", ("n > 0", "n > 1"))
    with pytest.raises(UsageError):
        project.generate(allow_drop=["app.item"])
    with pytest.raises(UsageError):  # it is taken
        project.generate(renames={"app.items": "kinds"})
    assert project.written() == 1


@pytest.mark.parametrize("rename", [{"app.item": "thing"}, {"app.items": "other.things"}])
def test_what_is_renamed_is_there_and_stays_in_its_schema(rename: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        renaming({("relation", "app.items"): {"kind": "r"}}, rename)


def test_the_command_exits_0_and_10(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    shadow = ("--shadow-url", project.url, "--platform", ROOT / "sql/platform")
    project.edit("functions/app/is_shown.sql", ("n > 0", "n > 1"))
    project.remove("sql/app/extra.sql", "functions/app/noted.sql")
    dry = run(
        "generate",
        "next",
        "--dry-run",
        "--allow-drop",
        "app.extra",
        "--allow-drop",
        "app.noted()",
        *shadow,
    )
    assert dry.exit_code == 0
    assert "n > 1" in dry.stdout
    assert project.written() == 1
    nowhere = ("--shadow-url", "postgresql://127.0.0.1:1/none")
    assert run("generate", "next", "--rename", "app.items", *nowhere).exit_code == 2
    refused = run("generate", "next", "--json", *shadow)
    assert refused.exit_code == 10
    assert json.loads(refused.stdout)["dropped"] == ["app.noted()", "app.extra"]


def test_it_works_on_postgres_15(shop: Shop, tmp_path: Path) -> None:
    project = Shop(tmp_path / "shop", cluster_of("15"), shop.file).project(tmp_path / "project")
    # Neither the new function nor the new view can be made while the other is the old one.
    project.edit(
        "functions/app/total.sql",
        ("int default 1", "int default 1, kind text default 'a'"),
        ("as s;", "as s where s.kind = total.kind;"),
    )
    project.edit(
        "sql/app/items.sql",
        ("name varchar(20)", "name text not null"),
        ("extent app.pair,", "extent app.pair,\n    note text not null default '',"),
    )
    project.edit("sql/app/shown.sql", ("i.id, i.n, i.name", "i.kind, i.id, i.n"))
    project.edit("sql/seed/kinds.sql", ("'B'", "'BB'"))
    project.up()
    assert project.ask("select id, name, note from app.items order by id") == [
        (1, "one", ""),
        (2, "two", ""),
        (3, "3", ""),
    ]
    assert project.ask("select app.total()") == [(4,)]
