"""plpgsql_check, where a server has it: functions asked about the tables that they use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

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
_FUNCTIONS = """
    select n.nspname, p.proname, p.prosrc, p.oid, coalesce(t.tgrelid, 0), t.tgoldtable, t.tgnewtable
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    join pg_catalog.pg_language as l on l.oid = p.prolang and l.lanname = 'plpgsql'
    left join pg_catalog.pg_trigger as t on t.tgfoid = p.oid and not t.tgisinternal
    where p.oid <> all (%s)
        and (t.oid is not null or p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype)
    order by p.oid, t.oid
"""
_CHECK = f"""
    select f.lineno, f.level, pg_catalog.concat_ws('; ', f.message, f.detail, f.hint)
    from {_SCHEMA}.plpgsql_check_function_tb(
        %s, %s, oldtable := %s, newtable := %s, fatal_errors := false, security_warnings := true
        ) as f
"""
Complaint = tuple[Unit, Statement, int, str, Severity]


def check_functions(
    units: Sequence[Unit], url: str | None, platform: Path | None
) -> tuple[list[Complaint], str]:
    """Load files into a database of their own, and check every function that they make.

    Of functions in files that are not linted only errors are told: what they use may have changed.

    Args:
        url: A superuser's URL of the server.
        platform: See `Shadow`.

    Returns:
        What was said, each with its place: unit, statement and character; and why nothing was
        checked, else an empty text.

    Raises:
        GateFailed: A file does not load.
        ConnectionFailed: The server cannot be reached.
    """
    if url is None:
        return [], "plpgsql_check needs a server: --shadow-url"
    if not all(unit.file.version for unit in units):
        return [], "plpgsql_check needs the files of the folder"
    with shadow(platform, url) as server, server.database() as dsn, history.connect(dsn) as conn:
        conn.execute("set role none")
        if conn.execute(_AVAILABLE).fetchone() is None:
            return [], "plpgsql_check is not available on this server"
        brought = [row[0] for row in conn.execute("select p.oid from pg_catalog.pg_proc as p")]
        replay(dsn, [unit.file for unit in units])
        conn.execute(f"create schema {_SCHEMA}")
        conn.execute(f"create extension plpgsql_check schema {_SCHEMA}")
        # Of a function on several tables the same is often said several times.
        told = {(id(each[1]), *each[2:]): each for each in _complaints(conn, units, brought)}
        return list(told.values()), ""


def _complaints(
    conn: psycopg.Connection, units: Sequence[Unit], brought: Sequence[int]
) -> Iterator[Complaint]:
    defined = {}
    for unit in units:
        for step in unit.steps:
            body = body_of(step.statement)
            if body is not None:
                key = (step.change.schema, step.change.name, body.text)
                defined[key] = (unit, step.statement, body)
    for schema, name, source, *target in conn.execute(_FUNCTIONS, (brought,)).fetchall():
        if (schema, name, source) not in defined:  # a DO block or another function made it
            continue
        unit, statement, body = defined[schema, name, source]
        lines = source.splitlines(keepends=True)
        for line, level, said in _said(conn, target):
            severity = ERROR if level == "error" else WARNING
            if severity == ERROR or unit.linted:
                above = lines[: (line or 1) - 1]
                indent = len(lines[len(above)]) - len(lines[len(above)].lstrip()) if line else 0
                at = body.place(len("".join(above)) + indent)
                yield unit, statement, at, f"function {schema}.{name}: {said}", severity


def _said(conn: psycopg.Connection, target: Sequence[object]) -> list[tuple[Any, ...]]:
    try:
        return conn.execute(_CHECK, target).fetchall()
    except psycopg.Error as error:  # polymorphic in a way that it cannot follow
        return [(None, "warning", f"plpgsql_check gives up: {error.diag.message_primary}")]
