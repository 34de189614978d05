"""plpgsql_check, where a server has it: functions asked about the tables that they use."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tillroll.migrate import history
from tillroll.migrate.lint.rule import ERROR, WARNING, Severity
from tillroll.migrate.lint.world import Unit
from tillroll.migrate.parser import Statement, body_of
from tillroll.migrate.replay import replay
from tillroll.migrate.shadow import shadow

__all__ = ["Complaint", "check_functions"]

_AVAILABLE = "select from pg_catalog.pg_available_extensions as e where e.name = 'plpgsql_check'"
_SCHEMA = "tillroll_plpgsql_check"
# The function of a trigger is asked once for each table it is on, with its transition tables.
_CHECK = f"""
    select n.nspname, p.proname, p.prosrc, f.lineno, f.level,
        pg_catalog.concat_ws('; ', f.message, f.detail, f.hint)
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    join pg_catalog.pg_language as l on l.oid = p.prolang and l.lanname = 'plpgsql'
    left join pg_catalog.pg_trigger as t on t.tgfoid = p.oid and not t.tgisinternal
    cross join lateral {_SCHEMA}.plpgsql_check_function_tb(
        p.oid, coalesce(t.tgrelid, 0), fatal_errors := false, security_warnings := true,
        oldtable := t.tgoldtable, newtable := t.tgnewtable) as f
    where p.oid <> all (%s)
        and (t.oid is not null or p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype)
    order by p.oid, t.oid
"""


@dataclass(frozen=True)
class Complaint:
    """What plpgsql_check says of a function, and where in which statement that stands."""

    unit: Unit
    statement: Statement
    at: int
    text: str
    severity: Severity


def check_functions(
    past: Sequence[Unit], units: Sequence[Unit], url: str, platform: Path | None
) -> list[Complaint] | None:
    """Load files into a database of their own, and check every function that they make.

    Of those from before only errors are told: what they use may have changed.

    Args:
        url: A superuser's URL of the server.
        platform: See `Shadow`.

    Returns:
        None where the server has no plpgsql_check.

    Raises:
        GateFailed: A file does not load.
        ConnectionFailed: The server cannot be reached.
    """
    with shadow(platform, url) as server, server.database() as dsn, history.connect(dsn) as conn:
        conn.execute("set role none")
        if conn.execute(_AVAILABLE).fetchone() is None:
            return None
        brought = [row[0] for row in conn.execute("select p.oid from pg_catalog.pg_proc as p")]
        replay(dsn, [unit.file for unit in (*past, *units)])
        conn.execute(f"create schema {_SCHEMA}")
        conn.execute(f"create extension plpgsql_check schema {_SCHEMA}")
        # Of a function on several tables the same is often said several times.
        told = _complaints(conn, past, units, brought)
        return list({(each.unit.shown, each.at, each.text): each for each in told}.values())


def _complaints(
    conn: psycopg.Connection, past: Sequence[Unit], units: Sequence[Unit], brought: Collection[int]
) -> Iterator[Complaint]:
    linted = {unit.shown for unit in units}
    defined = {}
    for unit in (*past, *units):
        for step in unit.steps:
            body = body_of(step.statement) if step.change.action == "create function" else None
            if body is not None:
                key = (step.change.schema, step.change.name, body.text)
                defined[key] = (unit, step.statement, body)
    for schema, name, source, line, level, said in conn.execute(_CHECK, (list(brought),)):
        if (schema, name, source) not in defined:  # a DO block or another function made it
            continue
        unit, statement, body = defined[schema, name, source]
        severity = ERROR if level == "error" else WARNING
        if severity == ERROR or unit.shown in linted:
            lines = source.splitlines(keepends=True)
            above = lines[: (line or 1) - 1]
            indent = len(lines[len(above)]) - len(lines[len(above)].lstrip()) if line else 0
            at = body.place(len("".join(above)) + indent)
            yield Complaint(unit, statement, at, f"function {schema}.{name}: {said}", severity)
