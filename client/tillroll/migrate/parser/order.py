"""Which statements leave rows as they are, or change them alike whenever they run.

What is allowed is listed; of everything else the order may matter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import postgast
from postgast import pg_query_pb2 as pb

from tillroll.migrate.parser.cut import COMMENTS, Statement
from tillroll.migrate.parser.nodes import is_plain, is_ready_made, walk

__all__ = ["order_matters"]

# What they change stands in the catalog, where both orders are compared.
_FREE = {
    "alter_default_privileges_stmt",
    "alter_function_stmt",
    "alter_policy_stmt",
    "alter_publication_stmt",
    "composite_type_stmt",
    "create_domain_stmt",
    "create_enum_stmt",
    "create_policy_stmt",
    "create_publication_stmt",
    "create_stats_stmt",
    "create_trig_stmt",
    "lock_stmt",
    "notify_stmt",
    "rule_stmt",
}
_LANGUAGES = {"sql", "plpgsql"}  # others may run what they are given as soon as they see it
_SETTINGS = {
    "check_function_bodies",
    "client_min_messages",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "role",
    "statement_timeout",
    "transaction_timeout",
}
_ROUTINES = {pb.OBJECT_FUNCTION, pb.OBJECT_PROCEDURE, pb.OBJECT_ROUTINE}
# A table, a column and a schema are not among these: with other rows under a name, or none, the
# catalog can be the same. Nor is an index: ALTER INDEX … RENAME renames tables too.
_RENAMED = {
    *_ROUTINES,
    pb.OBJECT_POLICY,
    pb.OBJECT_RULE,
    pb.OBJECT_TABCONSTRAINT,
    pb.OBJECT_TRIGGER,
    pb.OBJECT_VIEW,
}
_MOVED = {*_ROUTINES, pb.OBJECT_DOMAIN, pb.OBJECT_TYPE, pb.OBJECT_VIEW}
_OWNED = {*_ROUTINES, pb.OBJECT_DOMAIN, pb.OBJECT_SCHEMA, pb.OBJECT_TYPE}
_DROPPED = {
    *_ROUTINES,
    pb.OBJECT_DOMAIN,
    pb.OBJECT_INDEX,
    pb.OBJECT_POLICY,
    pb.OBJECT_PUBLICATION,
    pb.OBJECT_RULE,
    pb.OBJECT_SCHEMA,
    pb.OBJECT_STATISTIC_EXT,
    pb.OBJECT_TRIGGER,
    pb.OBJECT_TYPE,
    pb.OBJECT_VIEW,
}
# What is not, or not only, in a database's own catalog.
_ELSEWHERE = {
    pb.OBJECT_DATABASE,
    pb.OBJECT_LARGEOBJECT,
    pb.OBJECT_PARAMETER_ACL,
    pb.OBJECT_ROLE,
    pb.OBJECT_SUBSCRIPTION,
    pb.OBJECT_TABLESPACE,
}
_UNSEEN = "supabase_migrations"
_TEMPORARY = re.compile(r'\bpg_temp"?\s*\.', re.IGNORECASE)
_ALTERED = {
    pb.AT_ChangeOwner,
    pb.AT_ColumnDefault,
    pb.AT_DisableRowSecurity,
    pb.AT_DisableRule,
    pb.AT_DisableTrig,
    pb.AT_DisableTrigAll,
    pb.AT_DisableTrigUser,
    pb.AT_DropConstraint,
    pb.AT_DropNotNull,
    pb.AT_EnableAlwaysRule,
    pb.AT_EnableAlwaysTrig,
    pb.AT_EnableReplicaRule,
    pb.AT_EnableReplicaTrig,
    pb.AT_EnableRowSecurity,
    pb.AT_EnableRule,
    pb.AT_EnableTrig,
    pb.AT_EnableTrigAll,
    pb.AT_EnableTrigUser,
    pb.AT_ForceRowSecurity,
    pb.AT_NoForceRowSecurity,
    pb.AT_ReplicaIdentity,
    pb.AT_ResetOptions,
    pb.AT_ResetRelOptions,
    pb.AT_SetCompression,
    pb.AT_SetNotNull,
    pb.AT_SetOptions,
    pb.AT_SetRelOptions,
    pb.AT_SetStatistics,
    pb.AT_SetStorage,
}
_HARMLESS = {
    pb.CONSTR_PRIMARY,
    pb.CONSTR_UNIQUE,
    pb.CONSTR_NULL,
    pb.CONSTR_NOTNULL,
    pb.CONSTR_FOREIGN,
    pb.CONSTR_ATTR_DEFERRABLE,
    pb.CONSTR_ATTR_NOT_DEFERRABLE,
    pb.CONSTR_ATTR_DEFERRED,
    pb.CONSTR_ATTR_IMMEDIATE,
}
# One of a database's own could be a domain with a default; of Postgres's own, `regclass` and its
# like are numbers of what can be given another name.
_TYPES = {
    *("bit", "bool", "bpchar", "float4", "float8", "int2", "int4", "int8", "interval", "numeric"),
    *("time", "timestamp", "varbit", "varchar"),
    *("bytea", "cidr", "date", "daterange", "inet", "int4range", "int8range", "json", "jsonb"),
    *("macaddr", "money", "numrange", "point", "text", "timestamptz", "timetz", "tsquery"),
    *("tsrange", "tstzrange", "tsvector", "uuid", "xml"),
}


def order_matters(statement: Statement) -> str | None:
    """Name what in a statement may leave other rows when it runs before or after others, or None.

    None where it reads, writes and drops no rows, and calls no function on them, since that may be
    another one by then. What it does to the catalog has to be compared, and so has what is there
    to run along with it: event triggers, operators and casts of one's own.
    """
    if statement.empty or statement.mark:
        return None
    if _UNSEEN in str(statement.node):
        return f"{_UNSEEN}, where nothing is compared"
    if _TEMPORARY.search(statement.text):
        return "what is temporary"
    if statement.kind in _FREE:
        return None
    check = _CHECKED.get(statement.kind)
    return check(statement.node) if check else statement.moves_data or _head(statement.text)


def _head(text: str) -> str:
    """Return the keywords that a statement begins with."""
    found: list[str] = []
    for token in postgast.scan(text).tokens:
        if token.token in COMMENTS:
            continue
        if token.keyword_kind == pb.NO_KEYWORD:
            break
        found.append(text.encode()[token.start : token.end].decode().upper())
    return " ".join(found)


def _alter_table(node: Any) -> str | None:
    if node.objtype not in {pb.OBJECT_TABLE, pb.OBJECT_VIEW}:
        return "ALTER of what is neither table nor view"
    return next(filter(None, (_command(each.alter_table_cmd) for each in node.cmds)), None)


def _command(command: Any) -> str | None:
    defined = getattr(command, "def")
    if command.behavior == pb.DROP_CASCADE:
        return "CASCADE"
    if command.subtype == pb.AT_AddColumn:
        return "ADD COLUMN IF NOT EXISTS" if command.missing_ok else _column(defined.column_def)
    if command.subtype == pb.AT_AddConstraint:
        return _constraint(defined.constraint)
    return None if command.subtype in _ALTERED else f"ALTER TABLE, {_spelled(command.subtype)}"


def _spelled(subtype: int) -> str:
    """Return the parser's name of a change to a table in words: `drop column`."""
    name = pb.AlterTableType.Name(subtype).removeprefix("AT_")
    return "".join(f" {each.lower()}" if each.isupper() else each for each in name).strip()


def _column(node: Any) -> str | None:
    if not is_ready_made(node.type_name, _TYPES):
        return "ADD COLUMN of a type that may have a default of its own"
    for each in (element.constraint for element in node.constraints):
        if each.contype == pb.CONSTR_DEFAULT:
            if not is_plain(each.raw_expr, _TYPES, columns=False):
                return "ADD COLUMN with a default that is no constant"
        elif (reason := _constraint(each)) is not None:
            return reason
    return None


def _constraint(node: Any) -> str | None:
    if node.contype == pb.CONSTR_CHECK:
        if node.skip_validation or is_plain(node.raw_expr, _TYPES):
            return None
        return "CHECK that calls a function on the rows there are"
    if node.contype in _HARMLESS:
        return None
    kind = pb.ConstrType.Name(node.contype).removeprefix("CONSTR_")
    return f"constraint of the kind {kind}"


def _table(node: Any) -> str | None:
    if node.relation.relpersistence == "t":
        return "temporary table"
    if node.HasField("partbound") and any(
        isinstance(each, pb.FuncCall) for each in walk(node.partbound)
    ):
        return "partition with a bound that is no constant"
    return None


def _index(node: Any) -> str | None:
    on_columns = all(
        each.index_elem.name and not each.index_elem.opclass for each in node.index_params
    )
    if on_columns and (not node.HasField("where_clause") or is_plain(node.where_clause, _TYPES)):
        return None
    return "CREATE INDEX on more than columns"


def _of(allowed: set[int], field: str, what: str) -> Callable[[Any], str | None]:
    def read(node: Any) -> str | None:
        kind = getattr(node, field)
        name = pb.ObjectType.Name(kind).removeprefix("OBJECT_").replace("_", " ")
        return None if kind in allowed else f"{what} of {name}"

    return read


def _drop(node: Any) -> str | None:
    restricted = _of(_DROPPED, "remove_type", "DROP")
    return "CASCADE" if node.behavior == pb.DROP_CASCADE else restricted(node)


def _about(what: str) -> Callable[[Any], str | None]:
    return _of(set(pb.ObjectType.values()) - _ELSEWHERE, "objtype", what)


def _function(node: Any) -> str | None:
    named = [
        each.def_elem.arg.string.sval
        for each in node.options
        if each.def_elem.defname == "language"
    ]
    return None if all(name in _LANGUAGES for name in named) else "a language of its own"


def _setting(node: Any) -> str | None:
    known = node.kind == pb.VAR_RESET_ALL or node.name in _SETTINGS
    return None if known else f"SET {node.name}"


def _when(field: str, reason: str) -> Callable[[Any], str | None]:
    return lambda node: reason if getattr(node, field) else None


def _temporary(field: str) -> Callable[[Any], str | None]:
    return lambda node: "temporary" if getattr(node, field).relpersistence == "t" else None


_CHECKED: dict[str, Callable[[Any], str | None]] = {
    "alter_enum_stmt": _when("old_val", "RENAME VALUE"),
    "alter_object_schema_stmt": _of(_MOVED, "object_type", "SET SCHEMA"),
    "alter_owner_stmt": _of(_OWNED, "object_type", "OWNER"),
    "alter_table_stmt": _alter_table,
    "comment_stmt": _about("COMMENT"),
    "create_function_stmt": _function,
    "create_schema_stmt": _when("schema_elts", "CREATE SCHEMA with what is in it"),
    "create_seq_stmt": _temporary("sequence"),
    "create_stmt": _table,
    "drop_stmt": _drop,
    "grant_stmt": _about("GRANT or REVOKE"),
    "index_stmt": _index,
    "rename_stmt": _of(_RENAMED, "rename_type", "RENAME"),
    "variable_set_stmt": _setting,
    "view_stmt": _temporary("view"),
}
