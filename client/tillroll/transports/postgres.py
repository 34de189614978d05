"""A direct connection: the statement of a call or a page, what exceptions mean. No I/O.

Rows come as JSON, so that both ways share one strict parser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Json, Jsonb

from tillroll.errors import Unreachable, from_answer
from tillroll.models import plain
from tillroll.retry import Outcome, classify
from tillroll.transports import SCHEMA, Failed, Page

__all__ = ["SERIALIZABLE", "call", "failure", "page"]

# PostgREST reads from the function how its transaction is to begin.
SERIALIZABLE = frozenset({"transfer_serializable"})
# Arguments that are arrays of composites: read from JSON as PostgREST reads them.
_COMPOSITES = {
    "entries": "entry_input",
    "transactions": "transaction_input",
    "expect": "expectation",
}

Statement = tuple[sql.Composed, dict[str, Any]]


def call(function: str, arguments: Mapping[str, Any]) -> Statement:
    """Return a statement that gives the function's rows."""
    # In FROM: `select (f()).*` would execute f once for each column.
    source, values = _function(function, arguments)
    return sql.SQL("select to_json(r) from {} as r").format(source), values


def page(page: Page) -> Statement:
    """Return a statement that gives the page's rows."""
    values: dict[str, Any] = {}
    source: sql.Composable = sql.Identifier(SCHEMA, page.source)
    if page.arguments is not None:
        source, values = _function(page.source, page.arguments)
    conditions: list[sql.Composable] = []
    for column, value in page.equals.items():
        values[f"is_{column}"] = value
        conditions.append(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(f"is_{column}"))
        )
    if page.after is not None:
        values |= {
            f"after_{column}": value for column, value in zip(page.key, page.after, strict=True)
        }
        conditions.append(
            sql.SQL("({}) > ({})").format(
                _names(page.key),
                sql.SQL(", ").join(sql.Placeholder(f"after_{column}") for column in page.key),
            )
        )
    statement = sql.SQL(
        "select to_json(r) from (select {} from {} as s where {} order by {} limit {}) as r"
    ).format(
        _names(page.columns),
        source,
        sql.SQL(" and ").join(conditions or [sql.SQL("true")]),
        _names(page.key),
        sql.Literal(page.limit),
    )
    return statement, values


def failure(error: Exception, *, connected: bool, in_transaction: bool) -> Failed:
    """Return what an exception of psycopg says about the call.

    Args:
        connected: There was a connection to send the statement on.
        in_transaction: It ran in a transaction of the caller's, which is the caller's to repeat.
    """
    state = error.sqlstate if isinstance(error, psycopg.Error) else None
    retry_after = None
    if state == "PGRST" and isinstance(error, psycopg.Error):
        body = json.loads(error.diag.message_primary or "{}")
        answer = from_answer(**{key: body.get(key) for key in _ANSWER})
        outcome, code = classify(body.get("code")), body.get("code")
        headers = json.loads(error.diag.message_detail or "{}").get("headers") or {}
        retry_after = float(headers.get("Retry-After", 0))
    elif state is not None and isinstance(error, psycopg.Error):
        diag = error.diag
        answer = from_answer(
            code=state,
            message=diag.message_primary,
            details=diag.message_detail,
            hint=diag.message_hint,
        )
        outcome, code = classify(state), state
    # psycopg says InternalError where a pooler has mixed what a broken session said last.
    elif isinstance(error, psycopg.OperationalError | psycopg.InternalError):
        if in_transaction:  # which is now rolled back, with this call in it
            return Failed(Outcome.FINAL, str(error), error=Unreachable(str(error)))
        return Failed(Outcome.UNKNOWN if connected else Outcome.NOT_EXECUTED, str(error))
    else:
        raise error
    if in_transaction:
        outcome = Outcome.FINAL
    slow = code == "57014"
    return Failed(outcome, str(answer), error=answer, slow=slow, retry_after=retry_after)


_ANSWER = ("code", "message", "details", "hint")


def _function(name: str, arguments: Mapping[str, Any]) -> tuple[sql.Composed, dict[str, Any]]:
    named: list[sql.Composable] = []
    values: dict[str, Any] = {}
    for each, value in arguments.items():
        given: sql.Composable = sql.Placeholder(each)
        if each in _COMPOSITES:
            given = sql.SQL("(select v from json_to_record({}) as _(v {}[]))").format(
                given, sql.Identifier(SCHEMA, _COMPOSITES[each])
            )
            value = Json({"v": plain(value)})
        named.append(sql.SQL("{} => {}").format(sql.Identifier(each), given))
        values[each] = Jsonb(value) if isinstance(value, Mapping) else value
    return sql.SQL("{}({})").format(sql.Identifier(SCHEMA, name), sql.SQL(", ").join(named)), values


def _names(columns: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
