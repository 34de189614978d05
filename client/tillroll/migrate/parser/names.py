"""Which names a statement takes, and which it gives back.

Schemas, relations and routines only. A type is counted as a relation, since each table makes a
type of its name. What a DO block or a function does is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from postgast import pg_query_pb2 as pb

from tillroll.migrate.parser.cut import Statement
from tillroll.migrate.parser.nodes import name_of, relation_of, words

__all__ = ["Name", "names"]

Kind = Literal["schema", "relation", "routine"]
_KINDS: dict[int, Kind] = {
    pb.OBJECT_TABLE: "relation",
    pb.OBJECT_VIEW: "relation",
    pb.OBJECT_MATVIEW: "relation",
    pb.OBJECT_SEQUENCE: "relation",
    pb.OBJECT_INDEX: "relation",
    pb.OBJECT_FOREIGN_TABLE: "relation",
    pb.OBJECT_TYPE: "relation",
    pb.OBJECT_DOMAIN: "relation",
    pb.OBJECT_FUNCTION: "routine",
    pb.OBJECT_PROCEDURE: "routine",
    pb.OBJECT_ROUTINE: "routine",
    pb.OBJECT_AGGREGATE: "routine",
    pb.OBJECT_SCHEMA: "schema",
}
_MADE: dict[str, tuple[Kind, Callable[[Any], Any]]] = {  # where each statement says what it makes
    "create_stmt": ("relation", attrgetter("relation")),
    "view_stmt": ("relation", attrgetter("view")),
    "create_seq_stmt": ("relation", attrgetter("sequence")),
    "composite_type_stmt": ("relation", attrgetter("typevar")),
    "create_foreign_table_stmt": ("relation", attrgetter("base_stmt.relation")),
    "create_table_as_stmt": ("relation", attrgetter("into.rel")),
    "create_enum_stmt": ("relation", attrgetter("type_name")),
    "create_range_stmt": ("relation", attrgetter("type_name")),
    "create_domain_stmt": ("relation", attrgetter("domainname")),
    "create_function_stmt": ("routine", attrgetter("funcname")),
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
    elif kind == "index_stmt" and node.idxname:
        yield Name("relation", node.relation.schemaname or "public", node.idxname)
    elif kind == "define_stmt" and node.kind in _KINDS:
        yield _name(_KINDS[node.kind], words(node.defnames))
    elif kind in _MADE:
        of, said = _MADE[kind][0], _MADE[kind][1](node)
        yield _name(of, relation_of(said) if hasattr(said, "relname") else words(said))


def _dropped(node: Any) -> Iterable[Name]:
    if node.remove_type in _KINDS:
        for each in node.objects:
            yield _name(_KINDS[node.remove_type], name_of(each))


def _moved(statement: str, node: Any) -> tuple[tuple[Name, ...], tuple[Name, ...]]:
    renamed = statement == "rename_stmt"
    kind = _KINDS.get(node.rename_type if renamed else node.object_type)
    if kind is None:
        return (), ()
    if kind == "schema":
        return (Name(kind, node.newname),), (Name(kind, node.subname),)
    is_relation = node.HasField("relation")
    old = _name(kind, relation_of(node.relation) if is_relation else name_of(node.object))
    new = Name(kind, old.schema, node.newname) if renamed else Name(kind, node.newschema, old.name)
    return (new,), (old,)


def _name(kind: Kind, parts: Sequence[str]) -> Name:
    if kind == "schema":
        return Name(kind, parts[-1])
    return Name(kind, parts[-2] if len(parts) > 1 else "public", parts[-1])
