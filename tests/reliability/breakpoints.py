"""Variants of the engine's functions with a breakpoint before each statement that others can see.

Made from the text that the catalog has, in a database of the test's own. At a breakpoint a session
takes, and gives back, an advisory lock whose two keys are its backend and the number of breakpoints
that it has met: a driver that holds this lock stops it there and nowhere else, and lets it go on by
giving the lock back. The number is a temporary sequence's, which no rollback turns back.

A breakpoint is an ASSERT, which leaves FOUND alone. Where a query locks rows there is one more
before each row. Functions in SQL have theirs at the beginning. A statement that touches no table
and no advisory lock has none: nobody else can tell when it runs. The condition of an ELSIF cannot
have one. `lock_timeout` is taken off, or a schedule on a slow machine would end in `busy`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import pairwise

import postgast
from postgast import pg_query_pb2 as pb

from tests.conftest import Database

SCHEMA = """
create schema breakpoints;
grant usage on schema breakpoints to public;

create function breakpoints.stop(place text)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_number integer := nextval('pg_temp.breakpoint');
begin
    if not pg_try_advisory_lock(pg_backend_pid(), v_number) then
        raise notice 'breakpoint' using detail = v_number || ' ' || place;
        perform pg_advisory_lock(pg_backend_pid(), v_number);
    end if;
    return pg_advisory_unlock(pg_backend_pid(), v_number);
end;
$$;
"""
SESSION = "create temporary sequence breakpoint; grant usage on sequence breakpoint to public"
"""What each session needs that calls a variant."""
REWIND = "select setval('pg_temp.breakpoint', 1, false)"
"""Before each call: its breakpoints count from 1."""

_COMMENTS = {pb.SQL_COMMENT, pb.C_COMMENT}
_OPENERS = {"begin", "then", "else", "loop", ";"}
_NOT_STATEMENTS = {"end", "elsif", "elseif", "else", "exception", "when"}
_NAMES = re.compile(r"\bledger(?:_private)?\.(\w+)")
_LOCKS_ROWS = re.compile(r"for\s+(no\s+key\s+)?(update|share)", re.I)
_FUNCTIONS = """
select p.proname, p.prosrc, l.lanname, pg_get_functiondef(p.oid)
from pg_proc as p join pg_language as l on l.oid = p.prolang
where p.pronamespace = 'ledger_private'::regnamespace
"""
_TABLES = """
select c.relname from pg_class as c
where
    c.relnamespace in ('ledger'::regnamespace, 'ledger_private'::regnamespace)
    and c.relkind in ('r', 'v') and c.relname not in ('error_catalogue', 'currencies')
"""
_NO_TIMEOUTS = """
do $$
declare v regprocedure;
begin
    for v in
        select p.oid from pg_proc as p
        where p.pronamespace = 'ledger'::regnamespace and p.prokind = 'f'
    loop
        execute format('alter function %s set lock_timeout = 0', v);
    end loop;
end $$
"""


@dataclass(frozen=True)
class Edit:
    """A change of a function's text: a lock taken out, to see whether anybody misses it."""

    function: str
    old: str
    new: str


@dataclass(frozen=True)
class Function:
    """One function of `ledger_private`, as the catalog has it."""

    name: str
    body: str
    language: str
    definition: str

    def edited(self, edits: Sequence[Edit]) -> Function:
        body = self.body
        for edit in edits:
            if edit.function == self.name:
                body = body.replace(edit.old, edit.new)
        return replace(self, body=body, definition=self.definition.replace(self.body, body))


def words(text: str) -> Iterator[tuple[int, str]]:
    """The tokens of a text without comments, in lower case, each with where it begins.

    By Postgres' own lexer, which PL/pgSQL uses too. Counted in characters.
    """
    raw = text.encode()
    for token in postgast.scan(text).tokens:
        if token.token not in _COMMENTS:
            word = raw[token.start : token.end].decode().lower()
            yield len(raw[: token.start].decode()), word


def statements(body: str) -> Iterator[int]:
    """Where each PL/pgSQL statement of a body begins, its outermost block excepted.

    A statement follows on `begin`, `then`, `else`, `loop` or a semicolon, outside of parentheses
    and of the CASE of an expression.
    """
    parentheses = cases = 0
    in_block, after = False, ""
    for at, word in words(body):
        at_start = after in _OPENERS and not parentheses and not cases
        if in_block and at_start and word not in _NOT_STATEMENTS:
            assert word not in ("case", "declare"), f"{word} as a statement is not known here"
            yield at
        in_block = in_block or word == "begin"
        ends_loop = after == "end" and word == "loop"
        parentheses += (word == "(") - (word == ")")
        cases += word == "case"
        if word == "end" and cases:
            cases, word = cases - 1, "end of case"
        after = "" if ends_loop else word


def locked_rows(text: str) -> Iterator[int]:
    """Where the columns begin of each query that locks rows, which it does one by one.

    Of a query with INTO that is one row: it has none.
    """
    queries: list[int | None] = [None]
    for at, word in words(text):
        if word == "(":
            queries.append(None)
        elif word == ")":
            queries.pop()
        elif word in ("select", "perform"):
            queries[-1] = at + len(word)
        elif word == "into":
            queries[-1] = None
        elif word == "for" and queries[-1] and _LOCKS_ROWS.match(text, at):
            yield queries[-1]


def with_breakpoints(function: Function, visible: AbstractSet[str]) -> str:
    """The body with its breakpoints, each called after the function and the line it is in.

    Args:
        visible: Tables, and functions that touch them. A statement that names none of them has no
            breakpoint: to stop before it is to stop before the next that does.
    """
    name, body = function.name, function.body
    if function.language == "sql":
        return f"select breakpoints.stop('{name}');{body}" if name in visible else body
    starts = [*statements(body), len(body)]
    pieces = [body[: starts[0]]]
    for begin, end in pairwise(starts):
        text, place = body[begin:end], f"{name}:{body.count(chr(10), 0, begin) + 1}"
        for at in sorted(locked_rows(text), reverse=True):
            comma = "" if text[at:].split(maxsplit=1)[0] == "from" else " as stopped,"
            text = f"{text[:at]} breakpoints.stop('{place} row'){comma}{text[at:]}"
        if touches(text, visible):
            pieces.append(f"assert breakpoints.stop('{place}'); ")
        pieces.append(text)
    return "".join(pieces)


def touches(text: str, visible: AbstractSet[str]) -> bool:
    """Whether others can see that this was run, or it sees what others did."""
    return "advisory" in text or not visible.isdisjoint(_NAMES.findall(text))


def install(database: Database, edits: Sequence[Edit] = ()) -> int:
    """Put breakpoints into all of `ledger_private`; return how many.

    Args:
        edits: Changes that come first; each has to fit.
    """
    with database.connect() as owner, owner.transaction():
        owner.execute(SCHEMA)
        found = [Function(*row) for row in owner.execute(_FUNCTIONS)]
        for edit in edits:
            assert any(edit.function == f.name and edit.old in f.body for f in found), edit
        functions = [function.edited(edits) for function in found]
        visible = {name for (name,) in owner.execute(_TABLES)}
        while more := {
            f.name for f in functions if f.name not in visible and touches(f.body, visible)
        }:
            visible |= more
        count = 0
        for function in functions:
            stopped = with_breakpoints(function, visible)
            count += stopped.count("breakpoints.stop(")
            owner.execute(function.definition.replace(function.body, stopped))
        owner.execute(_NO_TIMEOUTS)
    return count
