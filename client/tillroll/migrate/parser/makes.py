"""What a statement makes, as facts name it, and how the same is made over what is there."""

from __future__ import annotations

from tillroll.migrate.parser.cut import Statement
from tillroll.migrate.parser.names import names
from tillroll.migrate.parser.nodes import relation_of, words

__all__ = ["made", "replacing"]

_KINDS = {"schema": "schema", "relation": "relation", "routine": "function"}
_PARTS = {  # kind of fact, where the table stands if it is part of one, where the name stands
    "create_trig_stmt": ("trigger", "relation", "trigname"),
    "create_policy_stmt": ("policy", "table", "policy_name"),
    "rule_stmt": ("rule", "relation", "rulename"),
    "create_extension_stmt": ("extension", "", "extname"),
    "create_event_trig_stmt": ("event trigger", "", "trigname"),
    "create_publication_stmt": ("publication", "", "pubname"),
}
_REPLACED = {"create_function_stmt", "view_stmt", "create_trig_stmt", "rule_stmt", "define_stmt"}


def made(statement: Statement) -> tuple[str, tuple[str, ...]] | None:
    """Return the kind of what a statement makes and its name, unquoted; None where it is no thing.

    The name is (name), (schema, name) or, of a part of a table, (schema, table, name). A type
    counts as a relation, and so does an index.
    """
    kind, node = statement.kind, statement.node
    if kind in _PARTS:
        fact, table, name = _PARTS[kind]
        of = ("public", *relation_of(getattr(node, table)))[-2:] if table else ()
        return fact, (*of, getattr(node, name))
    if kind == "create_stats_stmt":
        return "statistics", ("public", *words(node.defnames))[-2:]
    if kind in {"rename_stmt", "alter_object_schema_stmt"}:
        return None
    for taken in names(statement)[0]:
        return _KINDS[taken.kind], tuple(filter(None, (taken.schema, taken.name)))
    return None


def replacing(statement: Statement) -> str:
    """Return a statement's text with OR REPLACE, where it can have it and has it not."""
    text, begin = statement.text, statement.code
    if statement.kind not in _REPLACED or statement.node.replace or not made(statement):
        return text
    return f"{text[:begin]}create or replace{text[begin + len('create') :]}"
