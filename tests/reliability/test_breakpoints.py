"""Where the breakpoints of a function are, and that a session stops there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import postgast
import pytest

from tests.conftest import ROOT, Cluster
from tests.reliability.breakpoints import (
    Edit,
    Function,
    install,
    locked_rows,
    statements,
    with_breakpoints,
)
from tests.reliability.interleavings import driver_on
from tests.reliability.pairs import PAIRS
from tests.reliability.schedules import Turn

BODY = """
declare
    v_a integer := case when true then 1 else 2 end;
begin
    -- begin; not here
    if exists (select from ledger_private.holds) then
        v_a := case v_a when 1 then 2 else 3 end;
    elsif v_a = 1 then
        null;
    else
        begin
            perform from ledger_private.holds as h order by h.id for no key update;
        exception when lock_not_available or deadlock_detected then
            raise;
        end;
    end if;
    for v in select 'then; loop' as x loop
        exit when v.x is null;
    end loop;
    return v_a;
end;
"""
SOURCES = sorted((ROOT / "functions").glob("ledger*/*.sql"))


def begins(body: str) -> list[str]:
    return [body[at:].split(maxsplit=1)[0] for at in statements(body)]


def test_each_statement_is_found_whatever_is_inside_of_it() -> None:
    found = "if v_a null; begin perform raise; for exit return"
    assert begins(BODY) == found.split()


def lines_by_parser(source: str) -> list[int]:
    """Where Postgres' own parser of PL/pgSQL sees statements; it does not tell of NULL."""
    # It knows no types but the built-in ones.
    known = re.sub(
        r"\b(?:ledger|ledger_private)\.\w+(\[\])?(?!\s*\()(?=\s*[;,)\n:]|\s+:=|\s+default)",
        lambda found: "text[]" if found[1] else "record",
        source,
    )

    def walk(node: Any) -> Iterator[int]:
        for key, value in node.items() if isinstance(node, dict) else ():
            # The RETURN that ends every function has no line.
            if key.startswith("PLpgSQL_stmt_") and "lineno" in value:
                yield value["lineno"]
            yield from walk(value)
        for each in node if isinstance(node, list) else ():
            yield from walk(each)

    _, *others = sorted(walk(postgast.parse_plpgsql(known)))
    return others


def test_the_parser_of_postgres_sees_the_same_statements() -> None:
    different, unread = {}, []
    for file in SOURCES:
        made = re.search(r"^create or replace function.*?^\$\$;", file.read_text(), re.S | re.M)
        assert made is not None, file
        if "language plpgsql" not in made[0]:
            continue
        body = made[0].split("$$")[1]
        found = [
            body.count("\n", 0, at) + 1
            for at in statements(body)
            if not body.startswith("null;", at)
        ]
        try:
            parsed = lines_by_parser(made[0])
        except (postgast.PgQueryError, ValueError):
            unread.append(file.stem)
            continue
        if found != parsed:
            different[file.stem] = (found, parsed)
    assert different == {}
    assert unread == [
        "as_replay",
        "lines_receipt",
        "mask_receipt",
        "refuse_change",
        "require_zero_sum",
    ]


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("perform from a order by a.id for no key update;", [" from"]),
        ("select x into v from (select a.id from a for update) as l;", [" a.id"]),
        ("select h.* into v from h for no key update;", []),
        ("perform from a where exists (select from b);", []),
        ("for v in select a.id from a loop", []),
    ],
)
def test_a_query_that_locks_rows_can_stop_before_each(query: str, columns: list[str]) -> None:
    assert [query[at:].split(" from")[0] or " from" for at in locked_rows(query)] == columns


def test_what_nobody_else_can_see_has_no_breakpoint() -> None:
    stopped = with_breakpoints(Function("f", BODY, "plpgsql", BODY), {"holds"})
    assert re.findall(r"assert breakpoints.stop\('f:(\d+)'\); (\w+)", stopped) == [
        ("6", "if"),
        ("12", "perform"),
    ]
    assert "perform breakpoints.stop('f:12 row') from ledger_private.holds" in stopped


def test_a_session_stops_at_its_breakpoint_and_goes_on_when_it_is_let(cluster: Cluster) -> None:
    scenario = PAIRS[0]
    with driver_on(cluster) as (driver, breakpoints):
        assert breakpoints > 200
        alone, stood = driver.play(scenario, [Turn(0), Turn(1)])
        assert stood == ["ended", "ended"]
        stopped, stood = driver.play(scenario, [Turn(0, 3), Turn(0, 5), Turn(0, 99), Turn(0)])
    assert [at.split()[0] for at in stood] == ["3", "5", "called", "ended"]
    assert stopped == alone


def test_an_edit_that_does_not_fit_is_no_edit(newest: Cluster) -> None:
    database = newest.database("ledger")
    with pytest.raises(AssertionError):
        install(database, [Edit("post_transfer", "for update of everything", "")])
    newest.drop(database)
