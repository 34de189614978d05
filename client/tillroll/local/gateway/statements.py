"""The main statement of a request: a call of a function or a read of a relation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from .cache import Argument, Function, Relation
from .pool import Statement
from .protocol import Rows
from .query import Builder, quote

_JSON_OID = 114
_TRAILER = (
    "nullif(current_setting('response.headers', true), '') AS response_headers, "
    "nullif(current_setting('response.status', true), '') AS response_status, "
    "'' AS response_inserted"
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows become an answer.

    Args:
        single: One JSON object instead of an array.
        counted: Whether the total is asked for.
        silent: The body is not wanted.
    """

    single: bool
    counted: bool
    silent: bool

    def body(self, row: str, single: bool) -> str:
        """Return SQL of the body, of rows that are `row`."""
        if self.silent:
            return "''"
        if single:
            return f"coalesce(json_agg({row})->0, 'null')"
        return f"coalesce(json_agg({row}), '[]')"


def read_relation(
    relation: Relation, query: list[tuple[str, str]], rows: Rows, shape: Shape
) -> Statement:
    """Return the statement that reads a table or view."""
    target = f"{quote(relation.schema)}.{quote(relation.name)}"
    builder = Builder(target, [])
    asked = dict(query)
    select = builder.select(asked.get("select"))
    where = builder.where(query)
    source = (
        f"SELECT {select} FROM {target}{where}{builder.order(asked.get('order'))}"
        f"{builder.rows(rows.limit, rows.offset)}"
    )
    count, total = _count(f"SELECT 1 FROM {target}{where}", shape)
    sql = (
        f"WITH pgrst_source AS ({source}){count} SELECT {total} AS total_result_set, "
        f"count(_postgrest_t) AS page_total, {shape.body('_postgrest_t', shape.single)} AS body, "
        f"{_TRAILER} FROM (SELECT * FROM pgrst_source) _postgrest_t"
    )
    return Statement(sql.encode(), builder.params)


def call_function(
    function: Function,
    arguments: tuple[str, ...],
    payload: bytes | Sequence[str],
    query: list[tuple[str, str]],
    rows: Rows,
    shape: Shape,
    role: str,
) -> Statement:
    """Return the statement that calls a function.

    Args:
        function: What is called.
        arguments: Names of the arguments that are given; the others are left to their defaults.
        payload: A JSON object that holds them, or each one's text in the order of `arguments`.
        query: Parameters that shape the result.
        rows: Which rows of a set are wanted.
        shape: The form of the body.
        role: Who calls, for the prepared statement is that role's.
    """
    as_json = isinstance(payload, bytes)
    params: list[bytes | None] = []
    builder = Builder("pgrst_source", params)
    if isinstance(payload, bytes):
        params.append(payload)
    else:
        for text in payload:
            builder.param(text)
    source = _call(function, arguments, as_json)
    shaped = any(name not in ("limit", "offset") for name, _ in query)
    scalar = not function.returns_composite
    select = "*" if scalar or not shaped else builder.select(dict(query).get("select"))
    where = builder.where(query) if shaped else ""
    order = builder.order(dict(query).get("order")) if shaped else ""
    limits = builder.rows(rows.limit, rows.offset) if function.returns_set else ""
    count, total = _count(f"SELECT 1 FROM pgrst_source{where}", shape)
    page = "count(_postgrest_t)" if function.returns_set else "1"
    row = "_postgrest_t.pgrst_scalar" if scalar else "_postgrest_t"
    body = shape.body(row, shape.single or not function.returns_set)
    sql = (
        f"WITH pgrst_source AS ({source}){count} SELECT {total} AS total_result_set, "
        f"{page} AS page_total, {body} AS body, {_TRAILER} "
        f"FROM (SELECT {select} FROM pgrst_source{where}{order}{limits}) _postgrest_t"
    )
    types = [_JSON_OID] + [0] * (len(params) - 1) if as_json else None
    return Statement(sql.encode(), params, types, None if shaped else role)


def _count(counted: str, shape: Shape) -> tuple[str, str]:
    if not shape.counted:
        return "", "''"
    return f", pgrst_source_count AS ({counted})", "(SELECT count(*) FROM pgrst_source_count)"


@lru_cache(maxsize=1000)
def _call(function: Function, names: tuple[str, ...], as_json: bool) -> str:
    """Return the SELECT over the function itself."""
    given = [argument for argument in function.arguments if argument.name in names]
    name = f"{quote(function.schema)}.{quote(function.name)}"
    before = ""
    if not as_json:
        values = (f"${names.index(argument.name) + 1}::{argument.type}" for argument in given)
    else:
        before = "(SELECT $1 AS json_data) pgrst_payload, LATERAL "
        if function.takes_json:
            return _selected(
                function, f"{name}(pgrst_payload.json_data::{function.arguments[0].type})", before
            )
        columns = ", ".join(quote(argument.name) for argument in given)
        types = ", ".join(f"{quote(argument.name)} {argument.type}" for argument in given)
        if given:
            before += (
                f"(SELECT {columns} FROM json_to_record(pgrst_payload.json_data) AS _({types})) "
                "pgrst_body, LATERAL "
            )
        values = (f"pgrst_body.{quote(argument.name)}" for argument in given)
    passed = ", ".join(_passed(a, value) for a, value in zip(given, values, strict=True))
    return _selected(function, f"{name}({passed})", before)


def _passed(argument: Argument, value: str) -> str:
    return f"{'VARIADIC ' if argument.variadic else ''}{quote(argument.name)} := {value}"


def _selected(function: Function, call: str, before: str) -> str:
    if function.returns_composite:
        return f"SELECT pgrst_call.* FROM {before}{call} pgrst_call"
    return f"SELECT pgrst_call.pgrst_scalar FROM {before}(SELECT {call} pgrst_scalar) pgrst_call"
