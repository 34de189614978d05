"""Cutting a file into statements."""

from __future__ import annotations

import pytest
from postgast import PgQueryError

from tillroll.migrate import UsageError
from tillroll.migrate.parser import bodies_alike, consists_of, meaning, parse


def texts(sql: str) -> list[str]:
    return [statement.text for statement in parse(sql, "x.sql")]


def test_comments_stay_with_the_statement_that_follows() -> None:
    assert texts("-- a\nselect 1; -- b\n\nselect 2;\n-- c\n") == [
        "-- a\nselect 1",
        "-- b\n\nselect 2",
        "-- c",
    ]


def test_semicolons_inside_a_statement_do_not_cut_it() -> None:
    whole = (
        "create function f() returns text language sql as $x$ select ';'; $x$",
        "create function g() returns int language sql begin atomic select 1; select 2; end",
        "create rule r as on insert to t do also (select 1; select 2)",
        "select ';', \";\", e'\\';' /* ; /* ; */ */ from t -- ;\n where true",
    )
    assert texts(";\n".join(whole)) == list(whole)


def test_empty_statements_are_dropped_and_lone_comments_kept() -> None:
    statements = parse(";; -- only a comment\n; select 1;;", "x.sql")
    assert [(each.text, each.empty) for each in statements] == [
        ("-- only a comment", True),
        ("select 1", False),
    ]


def test_a_statement_knows_its_line_and_column_in_characters() -> None:
    second = parse("select 'üü🎉'; select 2;\n\n  -- why\n  select 3", "x.sql")[1:]
    assert [(each.line, each.column) for each in second] == [(1, 15), (3, 3)]
    assert second[1].text[second[1].code :] == "select 3"


@pytest.mark.parametrize(
    "sql",
    [
        "create index concurrently i on t (a)",
        "drop index concurrently i",
        "reindex table concurrently t",
        "reindex schema s",
        "vacuum t",
        "cluster",
        "discard all",
        "create database d",
        "drop database d",
        "alter system set work_mem = '1MB'",
        "alter table t detach partition p concurrently",
    ],
)
def test_what_cannot_run_in_a_transaction_is_known(sql: str) -> None:
    assert parse(sql, "x.sql")[0].alone


@pytest.mark.parametrize(
    "sql",
    ["create index i on t (a)", "drop index i", "reindex table t", "analyze t", "discard temp"],
)
def test_what_can_run_in_a_transaction_is_left_alone(sql: str) -> None:
    assert parse(sql, "x.sql")[0].alone is None


@pytest.mark.parametrize("sql", ["select 'ü' form form;\nselect 1", "select 'open"])
def test_what_is_no_sql_is_refused(sql: str) -> None:
    with pytest.raises(UsageError):
        parse(sql, "x.sql")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (" a b ;\n\n; c;", True),
        ("\ufeffa b;c", True),
        ("a b c", False),
        ("a b;", False),
        ("a b; c; d", False),
        ("c; a b;", False),
        ("a  b; c;", False),
        ("a b; -- ;\nc", False),
    ],
)
def test_a_text_is_known_by_its_pieces_without_parsing(text: str, same: bool) -> None:
    assert consists_of(text, ["a b", "c"]) == same


def test_no_pieces_are_the_pieces_of_nothing() -> None:
    assert consists_of(" ;\n", [])
    assert not consists_of("a", [])


def test_comments_stand_wherever_postgres_lets_them() -> None:
    inside = (
        "select 1 not -- a;\n in (1) order by 1 nulls /* b; */ last",
        "create table t (a timestamp with -- c;\n time zone)",
        "select 'a;' -- dé;\n-- e;\n'b;', e'\\';' -- f;\n'\\'g;', 1 not /* h; */ in (2)",
    )
    assert texts(";".join(inside)) == list(inside)


def test_an_error_has_its_place_in_the_text_as_it_is() -> None:
    text = "\u00a0;select 1 not -- ü\n in (1);\n/* 🎉 */ selec 1;"
    with pytest.raises(UsageError) as caught:
        parse(text, "x.sql")
    assert isinstance(caught.value.__cause__, PgQueryError)
    assert caught.value.__cause__.cursorpos - 1 == text.index("selec 1")


def test_blanks_that_only_the_cli_knows_are_none_inside_of_a_statement() -> None:
    assert texts("\u00a0select 1\u2028;\ufeff\n-- a\nselect 2") == ["select 1", "-- a\nselect 2"]
    with pytest.raises(UsageError):
        parse("select\u00a01", "x.sql")


def test_a_nul_is_refused() -> None:
    with pytest.raises(UsageError):
        parse("select 1;\0 drop table t;", "x.sql")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("select ÄPFEL", "select äpfel", False),
        ("select Äpfel", "SELECT ÄPFEL", True),
        ("select aPFEL_ä", "SELECT Apfel_ä", True),
        ('select U&"\\00c4"', 'select U&"\\00e4"', False),
        ("select e'\\u00c4'", "select e'\\u00e4'", False),
    ],
)
def test_only_the_letters_that_postgres_folds_are_alike(one: str, other: str, alike: bool) -> None:
    assert (meaning([one]) == meaning([other])) is alike
    assert bodies_alike(one, other) is alike
