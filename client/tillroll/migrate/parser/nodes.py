"""Small questions to the parser's tree."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from postgast import pg_query_pb2 as pb

__all__ = [
    "calls",
    "constants",
    "is_plain",
    "is_ready_made",
    "name_of",
    "options",
    "relation_of",
    "tested",
    "type_of",
    "walk",
    "words",
]

_PLAIN = (
    *(pb.Node, pb.A_Const, pb.Integer, pb.Float, pb.Boolean, pb.String, pb.BitString, pb.List),
    *(pb.A_Expr, pb.BoolExpr, pb.NullTest, pb.BooleanTest, pb.CoalesceExpr, pb.A_ArrayExpr),
    *(pb.CaseExpr, pb.CaseWhen, pb.TypeCast, pb.TypeName, pb.ColumnRef),
)


def words(parts: Iterable[Any]) -> tuple[str, ...]:
    """Return the strings of a list, such as the parts of a name."""
    return tuple(part.string.sval for part in parts)


def type_of(node: Any) -> str:
    """Return a type as it is written, by its name in the catalog: `numeric(12,2)`, `app.kind[]`."""
    names = [name for name in words(node.names) if name != "pg_catalog"]
    sizes = ",".join(str(each.a_const.ival.ival) for each in node.typmods)
    mark = "%type" if node.pct_type else ""
    arrays = "[]" * len(node.array_bounds)
    return ".".join(names) + (f"({sizes})" if sizes else "") + mark + arrays


def calls(*nodes: Any, subqueries: bool = True) -> tuple[str, ...]:
    """Return the functions that expressions call, as written, without `pg_catalog`."""
    return tuple(
        ".".join(name for name in words(each.funcname) if name != "pg_catalog")
        for node in nodes
        for each in walk(node, subqueries)
        if isinstance(each, pb.FuncCall)
    )


def constants(*nodes: Any) -> tuple[str, ...]:
    """Return the strings that are written in expressions or statements."""
    return tuple(
        each.sval.sval
        for node in nodes
        for each in walk(node)
        if isinstance(each, pb.A_Const) and each.HasField("sval")
    )


def relation_of(node: Any) -> tuple[str, ...]:
    """Return the parts of a relation's name, as many as are written."""
    return tuple(filter(None, (node.schemaname, node.relname)))


def name_of(element: Any) -> tuple[str, ...]:
    """Return the parts of a name, of whatever form a statement gives it to what is there."""
    which = element.WhichOneof("node")
    inner = getattr(element, which)
    if which == "range_var":
        return relation_of(inner)
    if which == "string":
        return (inner.sval,)
    parts = {"list": "items", "type_name": "names", "object_with_args": "objname"}.get(which)
    return words(getattr(inner, parts)) if parts else ()


def tested(node: Any) -> tuple[str, ...]:
    """Return the columns of which an expression demands that they are not null."""
    which = node.WhichOneof("node")
    if which == "null_test" and node.null_test.nulltesttype == pb.IS_NOT_NULL:
        return words(node.null_test.arg.column_ref.fields)[-1:]
    if which == "bool_expr" and node.bool_expr.boolop == pb.AND_EXPR:
        return tuple(column for each in node.bool_expr.args for column in tested(each))
    return ()


def options(elements: Iterable[Any]) -> frozenset[str]:
    """Return what the options of a function or a view come to.

    `definer` or `invoker`, `search path` where that is set.
    """
    found = set()
    for each in (element.def_elem for element in elements):
        if each.defname == "security":
            found.add("definer" if each.arg.boolean.boolval else "invoker")
        elif each.defname == "set" and each.arg.variable_set_stmt.name == "search_path":
            found.add("search path")
        elif each.defname == "security_invoker" and _is_on(each):
            found.add("invoker")
    return frozenset(found)


def _is_on(option: Any) -> bool:
    if not option.HasField("arg"):
        return True
    value = option.arg.string.sval or option.arg.integer.ival or option.arg.boolean.boolval
    return str(value).lower() in {"true", "on", "yes", "1"}


def is_ready_made(node: Any, types: Collection[str]) -> bool:
    """Whether a type is one of these, which Postgres brings."""
    *space, name = words(node.names)
    return name in types and space in ([], ["pg_catalog"])


def is_plain(node: Any, types: Collection[str], *, columns: bool = True) -> bool:
    """Whether an expression is made of constants, columns and what operators do with them.

    Args:
        types: Those of Postgres's own to which it may cast; see `is_ready_made`.
        columns: Whether it may have columns; else it is a constant.
    """
    return all(
        isinstance(each, _PLAIN)
        and (columns or not isinstance(each, pb.ColumnRef))
        and (not isinstance(each, pb.TypeName) or is_ready_made(each, types))
        and (not isinstance(each, pb.A_Expr) or len(each.name) == 1)
        for each in walk(node)
    )


def walk(message: Any, subqueries: bool = True) -> Iterator[Any]:
    """Give a message of the tree and all that is in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or (not subqueries and field.name == "subselect"):
            continue
        for each in value if field.is_repeated else (value,):
            yield from walk(each, subqueries)
