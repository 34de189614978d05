"""Which names a statement takes, and which it gives back.

Schemas, relations and routines only. A type is counted as a relation, since each table makes a
type of its name. What a DO block or a function does is not seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from postgast import pg_query_pb2 as pb

from tillroll.migrate.parser.cut import Statement

__all__ = ["Name", "names"]

Kind = Literal["schema", "relation", "routine"]
_KINDS: dict[int, Kind] = {
    **dict.fromkeys(
        (
            pb.OBJECT_TABLE,
            pb.OBJECT_VIEW,
            pb.OBJECT_MATVIEW,
            pb.OBJECT_SEQUENCE,
            pb.OBJECT_INDEX,
            pb.OBJECT_FOREIGN_TABLE,
            pb.OBJECT_TYPE,
            pb.OBJECT_DOMAIN,
        ),
        "relation",
    ),
    **dict.fromkeys(
        (pb.OBJECT_FUNCTION, pb.OBJECT_PROCEDURE, pb.OBJECT_ROUTINE, pb.OBJECT_AGGREGATE),
        "routine",
    ),
    pb.OBJECT_SCHEMA: "schema",
}
_RELATIONS = {  # where each statement says which relation it makes
    "create_stmt": "relation",
    "view_stmt": "view",
    "create_seq_stmt": "sequence",
    "composite_type_stmt": "typevar",
}
_TYPES = {
    "create_enum_stmt": "type_name",
    "create_range_stmt": "type_name",
    "create_domain_stmt": "domainname",
}


@dataclass(frozen=True, order=True)
class Name:
    """A name in a database; a schema's own has an empty `name`."""

    kind: Kind
    schema: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(filter(None, (self.schema, self.name)))}"


def names(statement: Statement) -> tuple[tuple[Name, ...], tuple[Name, ...]]:
    """Return the names that a statement takes, and those that it gives back."""
    kind, node = statement.kind, statement.node
    if kind == "drop_stmt":
        return (), tuple(_dropped(node))
    if kind in {"rename_stmt", "alter_object_schema_stmt"}:
        return _moved(kind, node)
    return tuple(_made(kind, node)), ()


def _made(kind: str, node: Any) -> Iterable[Name]:
    if kind == "create_schema_stmt":
        yield Name("schema", node.schemaname or node.authrole.rolename)
    elif kind in _RELATIONS:
        yield _relation(getattr(node, _RELATIONS[kind]))
    elif kind == "create_foreign_table_stmt":
        yield _relation(node.base_stmt.relation)
    elif kind == "create_table_as_stmt":
        yield _relation(node.into.rel)
    elif kind == "index_stmt" and node.idxname:
        yield Name("relation", node.relation.schemaname or "public", node.idxname)
    elif kind in _TYPES:
        yield _qualified("relation", getattr(node, _TYPES[kind]))
    elif kind == "create_function_stmt":
        yield _qualified("routine", node.funcname)
    elif kind == "define_stmt" and node.kind in _KINDS:
        yield _qualified(_KINDS[node.kind], node.defnames)


def _dropped(node: Any) -> Iterable[Name]:
    kind = _KINDS.get(node.remove_type)
    if kind is not None:
        for each in node.objects:
            yield _named(kind, each)


def _moved(statement: str, node: Any) -> tuple[tuple[Name, ...], tuple[Name, ...]]:
    renamed = statement == "rename_stmt"
    kind = _KINDS.get(node.rename_type if renamed else node.object_type)
    if kind is None:
        return (), ()
    if kind == "schema":
        return (Name(kind, node.newname),), (Name(kind, node.subname),)
    old = _relation(node.relation) if node.HasField("relation") else _named(kind, node.object)
    new = Name(kind, old.schema, node.newname) if renamed else Name(kind, node.newschema, old.name)
    return (new,), (old,)


def _relation(node: Any) -> Name:
    return Name("relation", node.schemaname or "public", node.relname)


def _named(kind: Kind, node: Any) -> Name:
    """Read the forms in which statements name what is there."""
    which = node.WhichOneof("node")
    if which == "string":
        return Name(kind, node.string.sval)
    inner = getattr(node, which)
    parts = {"list": "items", "type_name": "names", "object_with_args": "objname"}[which]
    return _qualified(kind, getattr(inner, parts))


def _qualified(kind: Kind, parts: Any) -> Name:
    words = [part.string.sval for part in parts]
    return Name(kind, words[-2] if len(words) > 1 else "public", words[-1])
