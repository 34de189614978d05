"""Mutants of what is declared: attributes, constraints, triggers, policies, privileges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from postgast import pg_query_pb2 as pb

from tests.mutants.sources import Mutant, Source, qualified, written_out

_VOLATILITY = {"volatile": "stable", "stable": "volatile", "immutable": "volatile"}
_EVENTS = {4: "insert", 8: "delete", 16: "update", 32: "truncate"}
"""Bits of pg_trigger.tgtype."""
_KEYS = {pb.CONSTR_PRIMARY, pb.CONSTR_UNIQUE}


def of_function(source: Source) -> Iterator[Mutant]:
    """Settings, volatility, rights."""
    alter = f"alter function {source.target}"
    for each in source.node.options:
        option = each.def_elem
        if option.defname == "set":
            name = option.arg.variable_set_stmt.name
            yield source.mutant("setting", f"setting {name}", f"{alter} reset {name}")
        elif option.defname == "volatility":
            now = option.arg.string.sval
            yield source.mutant("attribute", now, f"{alter} {_VOLATILITY[now]}")
        elif option.defname == "security":
            now, other = ("definer", "invoker")[:: 1 if option.arg.boolean.boolval else -1]
            yield source.mutant("attribute", f"security {now}", f"{alter} security {other}")


def of_view(source: Source) -> Iterator[Mutant]:
    """Its options: whose rights it is read with."""
    for each in source.node.options:
        name, view = each.def_elem.defname, qualified(source.node.view)
        yield source.mutant("attribute", name, f"alter view {view} reset ({name})")


def of_table(source: Source) -> Iterator[Mutant]:
    """Constraints of the table and of its columns."""
    table = qualified(source.node.relation)
    keys: set[str] = set()
    for element in source.node.table_elts:
        if element.WhichOneof("node") == "constraint":
            constraint = element.constraint
            drop = f"alter table {table} drop constraint {constraint.conname}"
            if constraint.contype in _KEYS:
                columns = [key.string.sval for key in constraint.keys]
                keys |= set(columns) if constraint.contype == pb.CONSTR_PRIMARY else set()
                sql = f"{drop} cascade; create index on {table} ({', '.join(columns)})"
                yield source.mutant("unique", f"unique {constraint.conname}", sql)
            elif constraint.contype == pb.CONSTR_FOREIGN:
                yield source.mutant("foreign key", f"foreign key {constraint.conname}", drop)
            elif constraint.contype == pb.CONSTR_CHECK:
                yield source.mutant("check", f"check {constraint.conname}", drop)
    for element in source.node.table_elts:
        column = element.column_def
        if column.colname and column.colname not in keys and _not_null(column):
            sql = f"alter table {table} alter column {column.colname} drop not null"
            yield source.mutant("not null", f"not null of {column.colname}", sql)


def _not_null(column: Any) -> bool:
    return any(each.constraint.contype == pb.CONSTR_NOTNULL for each in column.constraints)


def of_domain(source: Source) -> Iterator[Mutant]:
    """Its checks."""
    for each in source.node.constraints:
        name = each.constraint.conname
        drop = f"alter domain {source.target} drop constraint {name}"
        yield source.mutant("check", f"check {name}", drop)


def of_index(source: Source) -> Iterator[Mutant]:
    """Uniqueness alone: the index stays, so that no plan changes."""
    if source.node.unique:
        changed = source.written()
        changed.stmts[0].stmt.index_stmt.unique = False
        name = source.node.idxname
        sql = f"drop index {source.node.relation.schemaname}.{name}; {written_out(changed)}"
        yield source.mutant("unique", f"unique {name}", sql)


def of_trigger(source: Source) -> Iterator[Mutant]:
    """The trigger, each of its events, each of its columns, its condition."""
    name, node = source.node.trigname, source.node
    drop = f"drop trigger {name} on {qualified(node.relation)}"
    yield source.mutant("trigger", f"trigger {name}", drop)

    def changed(what: str, tree: Any) -> Mutant:
        sql = f"{drop}; {written_out(tree)}"
        return source.mutant("trigger", f"trigger {name}, {what}", sql)

    bits = [bit for bit in _EVENTS if node.events & bit]
    for bit in bits if len(bits) > 1 else ():
        tree = source.written()
        tree.stmts[0].stmt.create_trig_stmt.events &= ~bit
        yield changed(_EVENTS[bit], tree)
    for number, column in enumerate(node.columns if len(node.columns) > 1 else ()):
        tree = source.written()
        del tree.stmts[0].stmt.create_trig_stmt.columns[number]
        yield changed(f"update of {column.string.sval}", tree)
    if node.HasField("when_clause"):
        tree = source.written()
        tree.stmts[0].stmt.create_trig_stmt.ClearField("when_clause")
        yield changed("its condition", tree)


def of_policy(source: Source) -> Iterator[Mutant]:
    """The policy, its condition as `true`, and each part of an AND or OR in it."""
    name, table = source.node.policy_name, qualified(source.node.table)
    drop = f"drop policy {name} on {table}"
    yield source.mutant("policy", f"policy {name}", drop)
    if source.node.qual.WhichOneof("node") == "a_const":
        return
    open_to_all = f"alter policy {name} on {table} using (true)"
    yield source.mutant("policy", f"policy {name}, true", open_to_all)
    count = len(_arms(source.node.qual))
    for number in range(count):
        tree = source.written()
        siblings, place = _arms(tree.stmts[0].stmt.create_policy_stmt.qual)[number]
        del siblings[place]
        what = f"policy {name}, part {number + 1} of its condition"
        yield source.mutant("policy", what, f"{drop}; {written_out(tree)}")


def _arms(condition: Any) -> list[tuple[Any, int]]:
    """The parts of the ANDs and ORs of a condition: the list that each is in, and where."""
    if condition.WhichOneof("node") != "bool_expr":
        return []
    arms = condition.bool_expr.args
    here = [(arms, place) for place in range(len(arms))]
    return here + [found for arm in arms for found in _arms(arm)]


def of_row_security(source: Source) -> Iterator[Mutant]:
    """Row level security of a table, switched off."""
    for each in source.node.cmds:
        if each.alter_table_cmd.subtype == pb.AT_EnableRowSecurity:
            sql = f"alter table {qualified(source.node.relation)} disable row level security"
            yield source.mutant("row security", "row level security", sql)


def of_privileges(source: Source, granted: set[str]) -> Iterator[Mutant]:
    """A grant is taken from each role by itself.

    A revoke that is missing leaves a role what an old project gives to everybody: all. Of a
    function there is one privilege: what the file grants anyway (`granted`) is no mutant.
    """
    node = source.node
    kind = {pb.OBJECT_FUNCTION: "function", pb.OBJECT_SCHEMA: "schema"}.get(node.objtype, "table")
    for each in node.grantees:
        role = each.role_spec.rolename or "public"
        on = f"on {kind} {_object(node.objects[0])}"
        if node.is_grant:
            what, verb = f"grant to {role}", f"revoke all {on} from {role}"
            yield source.mutant("grant", what, verb)
        elif kind != "function" or role not in granted:
            yield source.mutant("revoke", f"revoke from {role}", f"grant all {on} to {role}")


def _object(node: Any) -> str:
    if node.WhichOneof("node") == "range_var":
        return qualified(node.range_var)
    if node.WhichOneof("node") == "object_with_args":
        return ".".join(part.string.sval for part in node.object_with_args.objname)
    return str(node.string.sval)
