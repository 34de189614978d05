"""`lint`: which files, bodies of functions, what is allowed, plpgsql_check, the command."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cluster, cluster_of
from tests.migration.conftest import Write
from tests.migration.test_command import run
from tillroll.migrate import ConnectionFailed, Finding, UsageError, lint

PLATFORM = ROOT / "sql/platform"
PLPGSQL = "create function app.f({}) returns {} language plpgsql set search_path = '' as $$\n{}\n$$"


def findings(folder: Path, **options: Any) -> tuple[Finding, ...]:
    return lint(folder, **options).findings


def found(folder: Path, **options: Any) -> list[str]:
    return [each.rule for each in findings(folder, **options)]


@pytest.mark.parametrize(
    ("sql", "line", "column"),
    [
        ("select 1;\n\nselect 'ü' form form;", 3, 17),
        ("select 1;\n  select 'open", 2, 10),
        (
            "-- üü\ncreate function app.f() returns int language sql set search_path = ''\n"
            "as $$\n    select 'ü' fro t\n$$",
            *(4, 20),
        ),
        (
            "create function app.f() returns int language sql set search_path = '' as\n"
            "'select ''x'' fro ''y'''",
            *(2, 19),
        ),
        ("select 1;\ndo $$\nbegin\n    perform 1;\n    perfrm 2;\nend $$", 5, 5),
        (PLPGSQL.format("", "int", "begin\n    return 1 +;\nend"), 3, 5),
        (PLPGSQL.format("", "int", "begin\n    perform 'ü' fro t;\n    return 1;\nend"), 3, 21),
        (PLPGSQL.format("", "int", "begin\n    if true then\n        return 'open;\nend"), 4, 16),
        (PLPGSQL.format("", "trigger", "begin\n    new.a := 1; nw.a := 2;\nend"), 3, 17),
        (PLPGSQL.format("a app.t", "int", "begin\n    a.x := 1; b.x := 2;\nend"), 3, 15),
        (PLPGSQL.format("", "int", ""), 1, 80),
    ],
)
def test_a_syntax_error_is_found_where_it_stands_in_the_file(
    write: Write, sql: str, line: int, column: int
) -> None:
    (found,) = findings(write(sql))
    assert (found.rule, found.severity) == ("syntax", "error")
    assert (found.line, found.column) == (line, column)


@pytest.mark.parametrize(
    ("arguments", "returns", "body"),
    [
        ("a app.t, b app.k[], variadic c app.k[]", "app.t", "begin a.x := b; return a; end"),
        ("out a app.t, inout b int", "record", "begin a.x := 1; b := 2; return; end"),
        ("inout a app.t", "app.t", "begin a.x := 1; return; end"),
        ("", "setof app.t", "begin return query select 1; return next 1; return; end"),
        ("k int", "table (a app.t, b int)", "begin a.x := 1; b := 2; return next; end"),
        ("k int", "table (a app.t)", "begin a.x := 1; return next; end"),
        ("anyelement", "anyelement", "begin return $1; end"),
        ('"A b" int', "void", 'begin "A b" := 1; return; end'),
        ("c refcursor", "void", "begin open c for select 1; close c; end"),
        ("", "event_trigger", "begin raise notice '%', tg_tag; end"),
        ("", "trigger", "begin insert into app.log select * from new_rows; return null; end"),
        (
            *("a app.t", "app.t"),
            "declare\n r app.t%rowtype; x app.t.a%type; y app.k; z app.k[]; w k[] := '{}';\n"
            " n constant app.amount not null := 1; v varchar(9) collate \"C\" default 'v';\n"
            " q refcursor; c cursor (k int) for select 1; i record; j alias for a;\nbegin\n"
            " r.a := 1; y.b := 2; z[1].u := 3; f.a.x := 4; select 1, 2 into r.a, y.c;\n"
            " select * into r from app.t; get diagnostics v = row_count; i.x := 5;\n"
            " open q for select 1; fetch q into r; for r in select 1 loop null; end loop;\n"
            " return r; end",
        ),
    ],
)
def test_types_of_the_project_are_no_syntax_errors(
    write: Write, arguments: str, returns: str, body: str
) -> None:
    assert found(write(PLPGSQL.format(arguments, returns, body))) == []


@pytest.mark.parametrize(
    "sql",
    [
        "create procedure app.p(inout k int) language plpgsql set search_path = '' as "
        "$$ begin k := 1; commit; return; end $$",
        "create function app.f() returns int language sql begin atomic select 1; end",
        "create function app.f() returns int language c set search_path = '' as 'lib', 'symbol'",
        "do language plpgsql 'begin raise notice ''$body$''; end'",
    ],
)
def test_other_forms_of_bodies_are_read_too(write: Write, sql: str) -> None:
    assert found(write(sql)) == []


def test_other_files_are_linted_when_some_cannot_be_read(write: Write) -> None:
    folder = write("select 1 1", "drop table app.t", "select 1;\ncopy t from stdin", b"\xff")
    assert found(folder) == ["syntax", "drop-table", "syntax", "syntax"]
    assert found(folder, since="20260101000001") == ["drop-table", "syntax", "syntax"]


ALLOWED = "-- lint: allow drop-table because nobody uses it since 2.0\ndrop table app.t"


def test_a_comment_with_a_reason_allows_what_it_names_in_its_statement(write: Write) -> None:
    block = "/* lint: allow drop-table because nobody uses it */ drop table app.u"
    assert found(write(ALLOWED, block)) == []


def test_an_allowance_reaches_no_other_statement_file_or_rule(write: Write) -> None:
    folder = write(f"drop table app.s; {ALLOWED} cascade; drop table app.u", "drop table app.t")
    assert found(folder) == ["drop-table", "drop-cascade", "drop-table", "drop-table"]


@pytest.mark.parametrize(
    "comment",
    [
        "-- lint: allow drop-table",
        "-- lint: allow drop-table because",
        "-- lint: allow drop-tables because nobody uses it",
        "-- lint: allow",
        "-- lint: allow drop-table since it is empty",
        "select '\n-- lint: allow drop-table because it is text\n';",
    ],
)
def test_an_allowance_without_a_rule_or_a_reason_allows_nothing(write: Write, comment: str) -> None:
    assert found(write(f"{comment}\ndrop table app.t")) == ["drop-table"]


def test_files_are_chosen_by_name_or_by_version(write: Write, tmp_path: Path) -> None:
    folder = write("create schema app; create table app.a ()", "drop table app.a", "select 1")
    names = sorted(path.name for path in folder.iterdir())
    elsewhere = tmp_path / "z.sql"
    elsewhere.write_text("drop table app.c")

    def chosen(**options: Any) -> list[str]:
        return [Path(file).name for file in lint(folder, **options).files]

    assert chosen() == names
    assert chosen(since="20260101000002") == names[2:]
    assert chosen(files=[elsewhere, folder / names[1]]) == [names[1], "z.sql"]
    assert found(folder) == []
    assert found(folder, files=[folder / names[1]]) == ["drop-table"]
    assert found(tmp_path / "none", files=[elsewhere]) == ["drop-table"]


def test_what_cannot_be_chosen_is_refused(write: Write, tmp_path: Path) -> None:
    folder = write("select 1")
    for options in (
        {"since": "1", "files": sorted(folder.iterdir())},
        {"files": [tmp_path / "none.sql"]},
        {"disable": ["no-such-rule"]},
    ):
        with pytest.raises(UsageError):
            findings(folder, **options)
    with pytest.raises(UsageError):
        findings(tmp_path / "none")
    with pytest.raises(ConnectionFailed):
        findings(folder, shadow_url="postgresql://postgres@127.0.0.1:1/x")


def test_this_project_is_clean() -> None:
    folder = ROOT / "supabase/migrations"
    assert findings(folder) == ()
    assert findings(folder, files=sorted((ROOT / "functions").rglob("*.sql"))) == ()


CHECKED = """
create schema app;
create table app.a (id int primary key, n int);
create table app.b (id int primary key);
create function app.broken() returns int language plpgsql set search_path = '' as $$
declare
    v_unused int;
begin
    return (select x.nope from app.a as x);
end
$$;
create function app.touch() returns trigger language plpgsql set search_path = '' as $$
begin
    new.n := 1;
    return new;
end
$$;
create trigger a before insert on app.a for each row execute function app.touch();
create trigger b before insert on app.b for each row execute function app.touch();
create function app.count_new() returns trigger language plpgsql set search_path = '' as $$
begin
    perform f.wrong from fresh as f where f.n > 0;
    return null;
end
$$;
create trigger c after insert on app.a referencing new table as fresh
    for each statement execute function app.count_new();
create function app.watch() returns event_trigger language plpgsql set search_path = '' as $$
begin
    perform nope.f();
end
$$;
do $do$
begin
    create function app.hidden() returns int language plpgsql set search_path = ''
    as 'begin return nope(); end';
end
$do$;
create function app.any(a anyenum) returns anyenum language plpgsql set search_path = '' as $$
begin
    return a;
end
$$;
"""


def test_functions_are_checked_against_their_tables_where_the_server_can(write: Write) -> None:
    url = cluster_of("15").server.dsn()
    result = lint(write(CHECKED), shadow_url=url, platform=PLATFORM)
    assert result.skipped == ()
    places = {(each.line, each.column, each.severity) for each in result.findings}
    errors = {(9, 5, "error"), (14, 5, "error"), (22, 5, "error"), (30, 5, "error")}
    assert {place for place in places if place[2] == "error"} == errors
    assert {(7, "warning"), (39, "warning")} <= {(line, level) for line, _, level in places}


def test_of_functions_from_before_only_errors_are_told(write: Write) -> None:
    url = cluster_of("15").server.dsn()
    folder = write(CHECKED, "alter table app.a add column m int")
    told = findings(folder, since="20260101000001", shadow_url=url, platform=PLATFORM)
    assert {each.severity for each in told} == {"error"}
    assert {Path(each.file).name for each in told} == {"20260101000001_step1.sql"}


def test_a_layer_that_is_skipped_is_told(write: Write, tmp_path: Path, newest: Cluster) -> None:
    folder, url = write(CHECKED), newest.server.dsn()
    result = lint(folder, shadow_url=url, platform=PLATFORM)
    assert (len(result.skipped), result.findings) == (1, ())
    assert len(lint(folder).skipped) == 1
    assert run("lint", "--dir", folder).stderr.startswith("skipped: ")
    able = cluster_of("15").server.dsn()
    elsewhere = tmp_path / "z.sql"
    elsewhere.write_text("select nope")
    assert len(lint(folder, files=[elsewhere], shadow_url=able, platform=PLATFORM).skipped) == 1
    refused = lint(write("select 1 1"), shadow_url=able, platform=PLATFORM)
    assert len(refused.skipped) == 1
    assert "syntax" in [each.rule for each in refused.findings]


def test_the_command_exits_10_for_errors_and_for_warnings_when_it_is_strict(write: Write) -> None:
    folder = write("create table app.t (at timestamp)")
    assert run("lint", "--dir", folder).exit_code == 0
    assert run("lint", "--dir", folder, "--strict").exit_code == 10
    assert run("lint", "--dir", folder, "--strict", "--disable", "timestamp-zone").exit_code == 0
    folder = write("drop table app.x")
    assert run("lint", "--dir", folder).exit_code == 10
    assert run("lint", "--dir", folder, "--since", "20260101000002").exit_code == 0
    assert run("lint", "--dir", folder, "--disable", "nothing").exit_code == 2


def test_findings_are_lines_or_json_or_annotations(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write("drop table app.x")
    assert findings(folder)[0].file == str(folder / "20260101000001_step1.sql")
    monkeypatch.chdir(folder.parent)
    (finding,) = findings(folder)
    assert finding.file == "migrations/20260101000001_step1.sql"
    where = ("lint", "--dir", folder)
    assert run(*where).stdout.startswith(f"{finding.file}:1:1: error drop-table: ")
    assert json.loads(run(*where, "--json").stdout)["findings"] == [asdict(finding)]
    place = f"::error file={finding.file},line=1,col=1,title=drop-table::"
    assert run(*where, "--format", "github").stdout.startswith(place)
