"""SQL for reads: what is selected, filtered and ordered, from query parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .errors import ApiError, unsupported

_DEPTH = 32  # of nested and, or
LOGIC = {"and", "or", "not.and", "not.or"}
RESERVED = {"select", "order", "limit", "offset", "columns", "on_conflict"}

_COMPARE = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
    "ov": "&&",
    "isdistinct": "is distinct from",
}
_IS = {"null", "not_null", "true", "false", "unknown"}
_ELSEWHERE = r"fts|plfts|phfts|wfts|sl|sr|nxr|nxl|adj|\w+\((?:any|all|\w+)\)"
_NAME = r'"(?:[^"\\]|\\.)*"|[^":.,()>]+'
_FIELD = re.compile(rf"(?:(?P<alias>{_NAME}):(?!:))?(?P<name>{_NAME})(?:::(?P<cast>.+))?")
_CAST = re.compile(r"[A-Za-z_][\w ]*(\.[A-Za-z_]\w*)?(\(\d+(,\d+)?\))?(\[\])*", re.ASCII)
_ORDER = re.compile(rf"(?P<name>{_NAME})(?:\.(?P<way>asc|desc))?(?:\.nulls(?P<nulls>first|last))?")
_CONDITION = re.compile(
    rf"(?P<not>not\.)?(?:(?P<op>{'|'.join(_COMPARE)}|is|in)|(?P<other>{_ELSEWHERE}))\.(?P<value>.*)",
    re.DOTALL,
)
_LEAF = re.compile(rf"(?P<name>{_NAME})\.(?P<condition>.*)", re.DOTALL)
_TREE = re.compile(r"(?P<not>not\.)?(?P<op>and|or)(?P<inside>\(.*\))", re.DOTALL)


class Builder:
    """Builds the clauses of one statement over `target`, and gathers its parameters.

    Args:
        target: SQL of what the columns belong to.
        params: The statement's parameters so far; the builder's follow.
    """

    def __init__(self, target: str, params: list[bytes | None]) -> None:
        self._target = target
        self.params = params

    def select(self, text: str | None) -> str:
        """Return the select list of `select=`."""
        columns = [self._column(item.strip()) for item in split(text or "")]
        return ", ".join(columns) or f"{self._target}.*"

    def where(self, query: list[tuple[str, str]]) -> str:
        """Return the WHERE clause of every parameter that is a filter, or nothing."""
        conditions = []
        for name, value in query:
            if name in RESERVED:
                continue
            if name in LOGIC:
                conditions.append(self._tree(name + value))
            else:
                conditions.append(self._condition(name, value))
        return f" WHERE {' AND '.join(conditions)}" if conditions else ""

    def order(self, text: str | None) -> str:
        """Return the ORDER BY clause of `order=`, or nothing."""
        terms = []
        for item in split(text or ""):
            found = _ORDER.fullmatch(item.strip())
            if not found:
                raise unparsable("order", item)
            nulls = f" NULLS {found['nulls']}" if found["nulls"] else ""
            terms.append(f"{self._qualified(found['name'])} {found['way'] or 'asc'}{nulls}")
        return f" ORDER BY {', '.join(terms)}" if terms else ""

    def rows(self, limit: int | None, offset: int) -> str:
        """Return LIMIT and OFFSET, as far as they say something."""
        said = "" if limit is None else f" LIMIT {self.param(str(limit))}::bigint"
        return said + (f" OFFSET {self.param(str(offset))}::bigint" if offset else "")

    def param(self, value: str) -> str:
        """Add a parameter and return its name in SQL."""
        if "\0" in value:
            raise ApiError(400, "22021", "A value holds the byte 0, which no text may hold.")
        self.params.append(value.encode())
        return f"${len(self.params)}"

    def _column(self, item: str) -> str:
        if item == "*":
            return f"{self._target}.*"
        if "->" in item:
            raise unsupported("JSON paths in select")
        if "(" in item.partition("::")[0] or item.startswith("..."):
            raise unsupported("embedding and aggregates in select")
        found = _FIELD.fullmatch(item)
        if not found:
            raise unparsable("select", item)
        sql = self._qualified(found["name"])
        if cast := found["cast"]:
            if not _CAST.fullmatch(cast):
                raise unparsable("select", item)
            sql = f"CAST({sql} AS {cast})"
        alias = found["alias"] or (found["name"] if found["cast"] else None)
        return f"{sql} AS {quote(_unquoted(alias))}" if alias else sql

    def _qualified(self, name: str) -> str:
        return f"{self._target}.{quote(_unquoted(name))}"

    def _tree(self, text: str, depth: int = 0) -> str:
        if depth > _DEPTH:
            raise unparsable("filter", text)
        found = _TREE.fullmatch(text)
        if not found:
            leaf = _LEAF.fullmatch(text)
            if not leaf:
                raise unparsable("filter", text)
            return self._condition(leaf["name"], leaf["condition"], nested=True)
        inside = split(found["inside"][1:-1])
        parts = [self._tree(item.strip(), depth + 1) for item in inside]
        if not parts:
            raise unparsable("filter", text)
        joined = f" {found['op']} ".join(parts)
        return f"NOT ({joined})" if found["not"] else f"({joined})"

    def _condition(self, name: str, text: str, *, nested: bool = False) -> str:
        if not name.startswith('"'):
            if "->" in name:
                raise unsupported("JSON paths in filters")
            if "." in name:
                raise unsupported("filters on embedded resources")
        found = _CONDITION.fullmatch(text)
        if not found:
            raise unparsable("filter", f"{name}={text}")
        if found["other"]:
            raise unsupported(f"the operator {found['other']}")
        operator, value = found["op"], found["value"]
        column = self._qualified(name)
        if operator == "is":
            if value.lower() not in _IS:
                raise unparsable("filter", f"{name}={text}")
            sql = f"{column} IS {value.lower().replace('_', ' ')}"
        elif operator == "in":
            sql = f"{column} = ANY ({self.param(_array(value))})"
        else:
            if nested:
                value = _unquoted(value)
            if operator.endswith("like"):
                value = value.replace("*", "%")
            sql = f"{column} {_COMPARE[operator]} {self.param(value)}"
        return f"NOT ({sql})" if found["not"] else sql


def is_condition(text: str) -> bool:
    """Whether a query parameter's value is a filter rather than a function's argument."""
    return _CONDITION.fullmatch(text) is not None


def quote(name: str) -> str:
    """Return a name as SQL, whatever it holds."""
    if "\0" in name:
        raise ApiError(400, "22021", "A name holds the byte 0, which no text may hold.")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def split(text: str) -> list[str]:
    """Split at commas outside quotes, parentheses and braces."""
    return list(_split(text)) if text else []


def unparsable(what: str, text: str) -> ApiError:
    """Return the error for a query parameter of no known form."""
    return ApiError(400, "PGRST100", f"The {what} cannot be parsed.", details=text[:200])


def _split(text: str) -> Iterator[str]:
    begin = depth = 0
    quoted = escaped = False
    for at, letter in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif not quoted and letter in "({":
            depth += 1
        elif not quoted and letter in ")}":
            depth -= 1
        elif not quoted and letter == "," and depth == 0:
            yield text[begin:at]
            begin = at + 1
    if depth or quoted:
        raise unparsable("list", text)
    yield text[begin:]


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    return text


def _array(text: str) -> str:
    """Return `(a,"b,c")` as an array of Postgres."""
    if not (text.startswith("(") and text.endswith(")")):
        raise unparsable("filter", text)
    items = [_unquoted(item) for item in split(text[1:-1])]
    escaped = ('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in items)
    return "{" + ",".join(escaped) + "}"
