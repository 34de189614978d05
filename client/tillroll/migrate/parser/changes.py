"""What a statement does, one change at a time: what `lint` reads in place of the parser's tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import postgast
from postgast import pg_query_pb2 as pb

from tillroll.migrate.parser.cut import Statement
from tillroll.migrate.parser.nodes import (
    calls,
    constants,
    name_of,
    options,
    tested,
    type_of,
    words,
)

__all__ = ["Change", "changes"]


@dataclass(frozen=True)
class Change:
    """One thing that a statement does.

    Attributes:
        action: `create table`, `add column`, `grant function`, `update` …
        schema: As it is written, else empty.
        name: The object; the table, of what belongs to one.
        part: The column, constraint, index or policy.
        type: A column's: `varchar(10)`, `ledger.receipt`, `text[]`.
        flags: What is said of it: `not null`, `concurrently` …
        words: Privileges; functions that a default calls; functions that a policy calls bare, and
            strings in it; columns that a constraint demands not to be null.
        roles: Whom it is for, `public` among them.
        at: Where it stands in the statement's text, in characters.
    """

    action: str
    schema: str = ""
    name: str = ""
    part: str = ""
    type: str = ""
    flags: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    at: int = 0

    @property
    def kind(self) -> str:
        """What it is done to: the action without its verb."""
        return self.action.partition(" ")[2]


Changes = Iterator[Change]
_KINDS = {
    pb.OBJECT_TABLE: "table",
    pb.OBJECT_VIEW: "view",
    pb.OBJECT_MATVIEW: "materialized view",
    pb.OBJECT_COLUMN: "column",
    pb.OBJECT_FUNCTION: "function",
    pb.OBJECT_PROCEDURE: "function",
    pb.OBJECT_ROUTINE: "function",
}
_COMMANDS = {
    pb.AT_DropColumn: "drop column",
    pb.AT_SetNotNull: "require column",
    pb.AT_AlterColumnType: "retype column",
    pb.AT_DropConstraint: "drop constraint",
    pb.AT_ValidateConstraint: "validate constraint",
    pb.AT_EnableRowSecurity: "enable row security",
    pb.AT_DisableRowSecurity: "disable row security",
    **dict.fromkeys((pb.AT_SetLogged, pb.AT_SetUnLogged, pb.AT_SetAccessMethod), "rewrite table"),
}
_CONSTRAINTS = {
    pb.CONSTR_CHECK: "check",
    pb.CONSTR_FOREIGN: "foreign key",
    pb.CONSTR_UNIQUE: "unique",
    pb.CONSTR_PRIMARY: "primary key",
    pb.CONSTR_NOTNULL: "not null",
    pb.CONSTR_DEFAULT: "default",
    pb.CONSTR_IDENTITY: "identity",
}


def changes(statement: Statement) -> tuple[Change, ...]:
    """Return what a statement does; none where it is nothing that a rule asks for."""
    read = _READERS.get(statement.kind)
    if read is None:
        return ()
    # Parsed once more by itself: its locations then count from its own beginning.
    node = getattr(postgast.parse(statement.text).stmts[0].stmt, statement.kind)
    raw = statement.text.encode()
    return tuple(
        replace(each, at=len(raw[: each.at].decode()) if each.at > 0 else statement.code)
        for each in read(node)
    )


def _flags(**named: bool) -> frozenset[str]:
    return frozenset(name.replace("_", " ") for name, is_so in named.items() if is_so)


def _on(action: str, relation: Any, **more: Any) -> Change:
    return Change(action, relation.schemaname, relation.relname, **more)


def _cascade(node: Any) -> frozenset[str]:
    return _flags(cascade=node.behavior == pb.DROP_CASCADE)


def _made(kind: str, relation: Any, **flags: bool) -> Change:
    temporary = relation.relpersistence == "t"
    return _on(f"create {kind}", relation, flags=_flags(temporary=temporary, **flags))


def _table(node: Any) -> Changes:
    yield _made("table", node.relation, partitioned=node.HasField("partspec"))
    for element in node.table_elts:
        if element.HasField("column_def"):
            yield _column(node.relation, element.column_def)
        elif element.HasField("constraint"):
            yield _constraint(node.relation, element.constraint)


def _table_as(node: Any) -> Changes:
    yield _made(_KINDS[node.objtype], node.into.rel)


def _column(relation: Any, node: Any) -> Change:
    constraints = [element.constraint for element in node.constraints]
    kinds = frozenset(_CONSTRAINTS.get(each.contype, "") for each in constraints)
    generated = any(
        each.contype == pb.CONSTR_GENERATED and each.generated_kind != "v" for each in constraints
    )
    return _on(
        "add column",
        relation,
        part=node.colname,
        type=type_of(node.type_name),
        flags=kinds | _flags(stored=generated),
        words=calls(*(each.raw_expr for each in constraints if each.contype == pb.CONSTR_DEFAULT)),
        at=node.location,
    )


def _constraint(relation: Any, node: Any) -> Change:
    kind = _CONSTRAINTS.get(node.contype, "")
    return _on(
        "add constraint",
        relation,
        part=node.conname,
        flags=_flags(not_valid=node.skip_validation, by_index=bool(node.indexname)) | {kind},
        words=words(node.keys) if kind == "not null" else tested(node.raw_expr),
        at=node.location,
    )


def _alter_table(node: Any) -> Changes:
    kind = _KINDS.get(node.objtype, "other")
    for command in (each.alter_table_cmd for each in node.cmds):
        what = getattr(command, "def")
        if command.subtype == pb.AT_AddColumn:
            yield _column(node.relation, what.column_def)
        elif command.subtype == pb.AT_AddConstraint:
            yield _constraint(node.relation, what.constraint)
        else:
            flags = _flags(using=what.column_def.HasField("raw_default")) | _cascade(command)
            yield _on(
                _COMMANDS.get(command.subtype, f"alter {kind}"),
                node.relation,
                part=command.name,
                type=type_of(what.column_def.type_name),
                flags=flags | options(what.list.items),
            )


def _drop(node: Any) -> Changes:
    kind = _KINDS.get(node.remove_type, "other")
    for element in node.objects:
        schema, name = ["", "", *name_of(element)][-2:]
        yield Change(f"drop {kind}", schema, name, flags=_cascade(node))


def _rename(node: Any) -> Changes:
    kind = _KINDS.get(getattr(node, "rename_type", None) or getattr(node, "object_type", None), "")
    yield _on(f"rename {kind}", node.relation, part=getattr(node, "subname", ""))


def _index(node: Any) -> Changes:
    flags = _flags(concurrently=node.concurrent)
    yield _on("create index", node.relation, part=node.idxname, flags=flags)


def _function(node: Any) -> Changes:
    schema, name = ("", *words(node.funcname))[-2:]
    is_trigger = type_of(node.return_type) in {"trigger", "event_trigger"}
    own = _flags(trigger=is_trigger, atomic=node.HasField("sql_body"))
    yield Change("create function", schema, name, flags=options(node.options) | own)


def _alter_function(node: Any) -> Changes:
    schema, name = ("", *words(node.func.objname))[-2:]
    yield Change("alter function", schema, name, flags=options(node.actions))


def _view(node: Any) -> Changes:
    made = _made("view", node.view)
    yield replace(made, flags=made.flags | options(node.options))


def _policy(node: Any) -> Changes:
    called = calls(node.qual, node.with_check, subqueries=False)
    said = constants(node.qual, node.with_check)
    written = tuple(_role(each) for each in node.roles if each.role_spec.location >= 0)
    action = "create policy" if hasattr(node, "cmd_name") else "alter policy"
    yield _on(action, node.table, part=node.policy_name, words=(*called, *said), roles=written)


def _role(element: Any) -> str:
    spec = element.role_spec
    return "public" if spec.roletype == pb.ROLESPEC_PUBLIC else str(spec.rolename)


def _grant(node: Any) -> Changes:
    for element in node.objects:
        everything = ("",) if node.targtype == pb.ACL_TARGET_ALL_IN_SCHEMA else ()
        yield _granted(node, *("", *name_of(element), *everything)[-2:])


def _granted(node: Any, schema: str, name: str, default: str = "") -> Change:
    verb = "grant" if node.is_grant else "revoke"
    return Change(
        f"{verb} {default}{_KINDS.get(node.objtype, 'other')}",
        schema,
        name,
        words=tuple(each.access_priv.priv_name for each in node.privileges) or ("all",),
        roles=tuple(map(_role, node.grantees)),
    )


def _default_privileges(node: Any) -> Changes:
    named = [each.def_elem for each in node.options if each.def_elem.defname == "schemas"]
    schemas = words(named[0].arg.list.items) if named else ("",)
    for schema in schemas:
        yield _granted(node.action, schema, "", "default ")


def _write(node: Any) -> Changes:
    action = {pb.UpdateStmt: "update", pb.DeleteStmt: "delete"}[type(node)]
    yield _on(action, node.relation, flags=_flags(where=node.HasField("where_clause")))


def _truncate(node: Any) -> Changes:
    for each in node.relations:
        yield _on("truncate", each.range_var)


def _domain(node: Any) -> Changes:
    schema, name = ["", *words(node.domainname)][-2:]
    yield Change("create domain", schema, name, flags=_flags(constrained=bool(node.constraints)))


_READERS: dict[str, Callable[[Any], Changes]] = {
    "create_stmt": _table,
    "create_table_as_stmt": _table_as,
    "alter_table_stmt": _alter_table,
    "drop_stmt": _drop,
    "rename_stmt": _rename,
    "alter_object_schema_stmt": _rename,
    "index_stmt": _index,
    "create_function_stmt": _function,
    "alter_function_stmt": _alter_function,
    "view_stmt": _view,
    "create_policy_stmt": _policy,
    "alter_policy_stmt": _policy,
    "grant_stmt": _grant,
    "alter_default_privileges_stmt": _default_privileges,
    "update_stmt": _write,
    "delete_stmt": _write,
    "truncate_stmt": _truncate,
    "create_domain_stmt": _domain,
}
