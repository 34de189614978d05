"""Hostile files: cut as the real Supabase CLI cuts them, run as Postgres reads them."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from tests.conftest import Cluster, Database
from tests.migration.conftest import Write
from tests.migration.hostile import BIG, CLI_ONLY, FILES, FRAGMENTS, LINKS
from tests.migration.test_up import has, rows
from tests.supabase_cli import run, supabase
from tillroll.migrate import (
    MigrateError,
    MigrationFailed,
    Runner,
    UsageError,
    compare,
    extract,
)
from tillroll.migrate.files import read_folder
from tillroll.migrate.history import connect
from tillroll.migrate.parser import parse

SOUPS = 500


@pytest.fixture
def theirs(newest: Cluster) -> Database:
    return newest.database("bare")


def test_hostile_files_make_the_same_database_and_the_same_history(
    bare: Database, theirs: Database, write: Write
) -> None:
    named = {f"{20260101000000 + n}_{name}.sql": FILES[name] for n, name in enumerate(FILES)}
    folder = write(**named, **{"20260201000000_five_megabytes.sql": BIG})
    supabase(theirs, folder.parents[1], "db", "push")
    Runner(bare.dsn(), folder).up()
    assert len(rows(bare)) == len(FILES) + 1
    assert rows(bare) == rows(theirs)
    with connect(bare.dsn()) as ours, connect(theirs.dsn()) as other:
        assert compare(extract(other), extract(ours)) == ()
    status = Runner(theirs.dsn(), folder).status()
    assert {file.state for file in status.files} == {"applied"}


def pieces(sql: str) -> list[str] | None:
    """What a text is cut into; None where Postgres would not read it."""
    try:
        return [statement.text for statement in parse(sql, "x.sql")]
    except UsageError:
        return None


def runs(piece: str) -> bool:
    """Whether Postgres takes what the CLI sends as one statement."""
    cut = pieces(piece)
    return cut is not None and len(cut) <= 1


def soup(draw: random.Random) -> str:
    parts = [draw.choice(FRAGMENTS) + draw.choice(LINKS) for _ in range(draw.randint(1, 5))]
    ends = ("", "", "-- tail;", "-- tail;\n", "/* ; */", "select 1", "\u00a0\n")
    return draw.choice(("", "", "-- head;\n", "\n")) + "".join(parts) + draw.choice(ends)


def test_whatever_the_cli_could_push_is_cut_as_the_cli_cuts_it(
    bare: Database, write: Write
) -> None:
    """`migration repair` stores the CLI's cut of every file without running it."""
    draw = random.Random(2026)
    texts = [soup(draw) for _ in range(SOUPS)]
    folder = write(*texts)
    supabase(bare, folder.parents[1], "migration", "repair", "--status", "applied")
    equal = 0
    for text, (_, _, theirs) in zip(texts, rows(bare), strict=True):
        ours = pieces(text)
        if ours == theirs:
            equal += 1
        elif all(runs(piece) for piece in theirs):
            # Where it lost its way up to the end of the file, it keeps the last semicolon.
            assert ours is not None
            assert [*ours[:-1], ours[-1] + ";"] == [*theirs[:-1], theirs[-1].rstrip("; \n") + ";"]
    assert equal > SOUPS / 3


TABLE = "create table public.t (id int);"
# The CLI cuts inside of a statement, or does not see its end.
MISCUT = {
    "a rule of several actions with parentheses": (
        "create table public.ruled (id int);"
        "create rule r as on insert to public.ruled do also (select abs(1); select 2);"
    ),
    "a comment inside BEGIN ATOMIC": (
        "create procedure public.p() begin /* so */ atomic select 1; select 2; end;"
    ),
    "a dollar quote whose body begins with a dollar": (
        "create table public.priced (id int);"
        "comment on table public.priced is $$$; cheap $$; select 1;"
    ),
    "a table named begin with an alias atomic": (
        "create table public.begin (id int); select * from public.begin atomic; select 1;"
    ),
}
UNREADABLE = {
    "a command of psql": "\\restrict x\n\n" + TABLE,
    "an open quote": TABLE + "select 'a;",
    "an open comment": TABLE + "select 1; /* /* */",
    "the data of COPY": TABLE + "copy public.t from stdin;\n1\t2\n\\.\n",
    "an old escape": "set standard_conforming_strings = off; select 'it\\'s; so';",
}


def test_what_the_cli_miscuts_postgres_refuses_and_we_apply(
    bare: Database, theirs: Database, write: Write
) -> None:
    folder = write(*MISCUT.values())
    supabase(theirs, folder.parents[1], "migration", "repair", "--status", "applied")
    for _, _, statements in rows(theirs):
        assert not all(runs(piece) for piece in statements)
    assert len(Runner(bare.dsn(), folder).up().applied) == len(MISCUT)


def test_what_postgres_cannot_read_neither_of_us_applies(
    bare: Database, theirs: Database, write: Write
) -> None:
    folder = write(*UNREADABLE.values())
    supabase(theirs, folder.parents[1], "migration", "repair", "--status", "applied")
    for _, _, statements in rows(theirs):
        assert not all(runs(piece) for piece in statements)
    for file in read_folder(folder).files:
        with pytest.raises(UsageError):
            file.read()


@dataclass(frozen=True)
class Case:
    """A file that the CLI does not apply.

    Attributes:
        cli: Whether its push ends well all the same.
        ours: What we raise; None where we apply it.
    """

    text: str | bytes
    ours: type[MigrateError] | None = None
    cli: bool = False


CASES = {
    # The CLI sends it outside of BEGIN, or in it.
    "savepoints": Case("savepoint a; release a;"),
    "reindex concurrently in parentheses": Case(TABLE + "reindex (concurrently) table public.t;"),
    # The CLI writes its history as that role.
    "a role that is set": Case("set role anon;"),
    "copy from the client": Case(TABLE + "copy public.t from stdin;", UsageError),
    "a nul": Case(b"select 1;\0" + TABLE.encode(), UsageError),
    "another spelling of the directive": Case(
        f"-- pg-delta: transaction = false\n{TABLE} select 1 / 0;", MigrationFailed
    ),
    # It says that all is well, and nothing is there.
    "a transaction that stays open": Case("begin; " + TABLE, UsageError, cli=True),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_cli_does_not_apply(
    bare: Database, theirs: Database, write: Write, name: str
) -> None:
    case = CASES[name]
    folder = write(case.text)
    assert (run(theirs, folder.parents[1], "db", "push").returncode == 0) == case.cli
    assert rows(theirs) == []
    assert not has(theirs, "public.t")
    if case.ours is None:
        assert len(Runner(bare.dsn(), folder).up().applied) == 1
        return
    with pytest.raises(case.ours):
        Runner(bare.dsn(), folder).up()
    assert not has(bare, "public.t")


def test_what_the_cli_applies_and_we_refuse(theirs: Database, write: Write) -> None:
    named = {f"{20260101000000 + n}_{name}.sql": CLI_ONLY[name] for n, name in enumerate(CLI_ONLY)}
    folder = write(**named)
    supabase(theirs, folder.parents[1], "db", "push")
    assert [row[1] for row in rows(theirs)] == list(CLI_ONLY)
    assert rows(theirs)[0][2] == ["select '\ufffd'"]  # not the byte that the file has
    for file in read_folder(folder).files:
        with pytest.raises(UsageError):
            file.read()
