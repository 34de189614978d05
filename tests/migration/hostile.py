"""Files that are hard to cut into statements: those of `corpus/`, and more that no editor keeps."""

from __future__ import annotations

from pathlib import Path

__all__ = ["BIG", "CLI_ONLY", "FILES", "FRAGMENTS", "LINKS"]

# All of them run, in this order, on one database. By name.
FILES: dict[str, str | bytes] = {
    **{
        path.stem: path.read_bytes()
        for path in sorted((Path(__file__).parent / "corpus").glob("*.sql"))
    },
    "empty": "",
    "blank": " \t\r\n\f\n",
    "only_semicolons": ";;;",
    "semicolons_and_blanks": "; ;\n;\r\n\t; ;",
    "comment_only": "-- nothing; at all\n",
    "comment_that_ends_in_a_semicolon": "select 1;\n-- the end;",
    "comment_that_ends_in_semicolons": "select 1;\n/* x; */ -- the end ;;;",
    "comment_with_a_semicolon_and_a_newline": "select 1;\n-- the end;\n",
    "last_statement_with_such_a_comment": "select 1; select 2 -- the end;",
    "block_comment_only": "/* nothing; /* at; */ all; */",
    "comments_between_semicolons": "; -- a\n; /* b */ ; /* c; */ -- d;\n;",
    "no_final_semicolon": "select 1;\nselect 2",
    "statement_behind_its_comment": "/* a *//* b; */-- c;\nselect 1 -- d;\n/* e; */;",
    "crlf": "create table public.crlf (\r\n  id int -- one; two\r\n);\r\n\r\nselect ';\r\n';\r\n",
    "lone_cr": "-- one;\rselect 1;\r-- two;\rselect E'a\\';'\r'b\\';';\r",
    "mixed_line_ends": "select 1; -- a;\r\n-- b;\rselect 2;\n\r select 3;",
    "form_feeds": "\fselect 1;\f\fselect\f2\f;\f",
    "vertical_tabs": "\vselect 1;\v\vselect 2;\v",
    "byte_order_mark": b"\xef\xbb\xbfselect 1;\n",
    "two_byte_order_marks": b"\xef\xbb\xbf\xef\xbb\xbfselect 1;\n",
    "byte_order_mark_alone": b"\xef\xbb\xbf",
    "two_files_in_one": b"\xef\xbb\xbfselect 1;\n\xef\xbb\xbf-- the second;\nselect 2;\n",
    "byte_order_mark_at_the_end": "select 1;\n\ufeff",
    "byte_order_mark_in_quotes": "select '\ufeff;' as \"\ufeff\";",
    "no_break_spaces": "\u00a0select 1;\u00a0\n\u00a0\u00a0select 2\u00a0;\n\u00a0",
    "every_blank": "\u1680\u2000\u2009\u200aselect 1\u202f\u205f;\u3000\u2028select 2;\u2029",
    "blanks_in_quotes": "select '\u00a0;\u2028;\u200b;\v;\u00a0' as \"\u00a0;\u3000\";",
    "blanks_in_comments": "--\u00a0;\u00a0\u2028;\nselect 1 /*\u2028;\u00a0*/;\u00a0--\u3000;",
    "control_characters": "select E'\\x01', '\x01;\x1b[1m;\x7f' as \"\x02;\"; -- \x08;\n",
    "combining_and_joined": "select 'e\u0301;', '\u200d;\u202e;' as \"e\u0301;\";",
    "wrapped": "begin;\nselect 'wrapped;';\ncommit;\n",
    "wrapped_by_other_words": "-- why;\nSTART TRANSACTION; select 1; END -- of it;\n",
    "one_long_line": "select '" + "long; " * 200_000 + "';",
    "many_statements": "".join(f"select '{number}; -- ';\n" for number in range(1000)),
}

_ROWS = ", ".join(f"({row}, '{'row; -- ' * 13}')" for row in range(400))
BIG = "create table public.big (id int, words text);\n" + (
    f"insert into public.big values {_ROWS};\n" * 100
)
"""5 MB of inserts."""

# The CLI applies these, and we refuse them before anything runs.
CLI_ONLY: dict[str, str | bytes] = {
    "not_utf8": b"select '\xe9';",
    "copy_to_the_client": "copy (select 1) to stdout;",
    "commit_in_the_middle": "create table public.c (id int); commit; select 1;",
    "rollback_at_the_end": "create table public.d (id int); rollback;",
    "index_without_a_name": "create table public.i (a int); create index concurrently on i (a);",
    "old_escape": "set standard_conforming_strings = off; select 'it\\'s';",
}

# Statements, and what may stand between two: together they make soup. A cut depends on the text
# alone, so most of them need not run.
FRAGMENTS = (
    "select 1",
    "create table t (id int)",
    "insert into t values ('a;b')",
    "select e'it\\'s; ' '\\;'",
    "select 'x' -- c;\n 'y;'",
    "select e'x' -- c;\n 'y\\';'",
    "select e'x'\n/* ; */\n+ 1",
    "select e'a' -\n'b;'",
    "select E'\\\\''x;'",
    "select 'a'\r'b;'",
    "do $$ begin perform 1; end $$",
    "create function f() returns int language sql as $a$ select 1; $a$",
    "create function f() returns int language plpgsql as 'begin return 1; end'",
    "create function f() returns int return 1",
    "create function f() returns int language sql begin atomic select 1; end",
    "create function f() returns int begin\n\tatomic select case when true then 2 end;\nend",
    "create function f() returns int begin /* ; */ atomic select 1; end",
    "create rule r as on insert to t do also (select 1; select 2)",
    "create rule r as on insert to t do also (select f(1); select 2)",
    "select (1), ((2)), ';', \"(;\"",
    "comment on table t is 'a -- b; /* '",
    "/* a /* b; */ ; */ select 1",
    "select 1 +-- x;\n 2",
    "select 2 */* ; */ 3",
    "select 2 /*/ ; */ /**/ /***/ /*/**/**/",
    "select a$b$, c$$d from t",
    "select $é$;$é$, $_1$;$_1$, $$;$$$$;$$",
    "select $$$1;$$",
    "select $a$a$;$a$",
    "select U&'\\0041;', U&'!0041;' uescape '!', U&\"d;\\0061\"",
    "select x'1f', b'01', n';', 0x1F, 1_000",
    "select '{\"a\":\";\"}'::jsonb -> 'a' #>> '{;}' @> '{}'",
    'select begin, atomic, "end" from begin',
    "select * from begin atomic",
    "create table x (begin atomic)",
    "select 'é' as é, 😀 from 日本",
    "begin",
    "commit",
    "set standard_conforming_strings = off",
    "copy t from stdin",
    "create schema s create table t (id int) create view v as select 1",
    "-- only a comment",
    "/* only */",
    "",
    "select '\\'",
    "\\restrict x",
    "select 'open",
    "select $x$ open",
)
LINKS = (
    *(";", ";\n", "; ", ";;", "\n;\n", ";\r\n", ";\r", ";\v", ";\u00a0", ";\n\ufeff", "; \u2028\t"),
    *(" ; -- c;\n", "; /* ; */\n", ";-- x\n", ";\n\n-- end\n", ";/*a*//*b;*/", "; -- x;"),
)
