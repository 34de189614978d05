"""Rules about statements that block a running system, or do not go together in one file."""

from __future__ import annotations

from tillroll.migrate.lint.rule import ERROR, WARNING, Rule
from tillroll.migrate.lint.world import Here
from tillroll.migrate.parser import Change, literals

__all__ = ["LOCKS", "SERIALS"]

SERIALS = {"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"}
# What a default may call and yet is one value for all rows. Others are taken for volatile, as
# Postgres takes a function of which nothing is said.
_STABLE = {
    *("now", "transaction_timestamp", "statement_timestamp", "current_setting", "timezone"),
    *("date_trunc", "make_interval", "to_char", "lower", "upper", "md5", "concat", "to_jsonb"),
    *("jsonb_build_object", "jsonb_build_array", "json_build_object", "json_build_array"),
    *("auth.uid", "auth.jwt", "auth.role"),
}
_EXCLUSIVE = {  # what takes the lock that keeps readers out too
    *("add column", "drop column", "retype column", "require column", "rename column"),
    *("rename table", "drop table", "alter table", "rewrite table", "truncate"),
    *("enable row security", "disable row security", "create policy", "drop policy"),
}


def _needs_a_value(change: Change, here: Here) -> bool:
    given = change.flags & {"default", "identity", "stored"} or change.type in SERIALS
    return bool(change.flags & {"not null", "primary key"}) and not given


def _rewrites(change: Change, here: Here) -> bool:
    return (
        change.action == "rewrite table"
        or bool(change.flags & {"stored", "identity"})
        or bool(set(change.words) - _STABLE)
        or change.type in SERIALS
        or change.type.rpartition(".")[2] in here.world.domains
    )


def _is_converted(change: Change, here: Here) -> bool:
    before = here.world.thing(change).types.get(change.part, "")
    is_free = before == change.type or _is_free(*_sized(before), *_sized(change.type))
    return "using" in change.flags or not is_free


def _is_free(old: str, old_sizes: list[int], new: str, new_sizes: list[int]) -> bool:
    """Whether values of the old type are values of the new one as they are."""
    if (old == "varchar" and new in {"varchar", "text"}) or (old, new) == ("text", "varchar"):
        return not new_sizes or [] < old_sizes <= new_sizes
    if old == new == "numeric":
        digits, scale = [*old_sizes, 0][:2] if old_sizes else (1000, 0)
        return not new_sizes or (digits <= new_sizes[0] and scale == [*new_sizes, 0][1])
    return False


def _sized(written: str) -> tuple[str, list[int]]:
    name, _, sizes = written.partition("(")
    return name, [int(each) for each in sizes.rstrip(")").split(",") if each.isdigit()]


def _is_validated(change: Change, here: Here) -> bool:
    if change.action == "add column":  # all of it is null, unless it has a default
        return "check" in change.flags or change.flags >= {"foreign key", "default"}
    kinds = {"check", "foreign key", "not null"}
    return bool(change.flags & kinds) and "not valid" not in change.flags


def _is_validated_at_once(change: Change, here: Here) -> bool:
    return here.unit.transactional and any(
        (each.schema, each.name, each.part) == (change.schema, change.name, change.part)
        for each in here.before
    )


def _builds_index(change: Change, here: Here) -> bool:
    return bool(change.flags & {"unique", "primary key"}) and "by index" not in change.flags


def _blocks_writes(change: Change, here: Here) -> bool:
    return not change.flags & {"concurrently"} and (
        "partitioned" not in here.world.thing(change).flags
    )


def _has_company(change: Change, here: Here) -> bool:
    """Whether it is the first concurrent one of a file that holds others too."""
    concurrent = [step.statement for step in here.unit.steps if "concurrently" in step.change.flags]
    return here.step.statement in concurrent[:1] and any(
        not (each.empty or each.sets_session or each in concurrent) for each in here.unit.statements
    )


def _moves_under_lock(change: Change, here: Here) -> bool:
    return (
        here.unit.transactional
        and (change.action != "insert" or "query" in change.flags)
        and any(each.action in _EXCLUSIVE and here.is_old(each) for each in here.before)
    )


def _is_used(change: Change, here: Here) -> bool:
    own = here.unit.statements.index(here.step.statement)
    later = here.unit.statements[own + 1 :]
    return here.unit.transactional and any(change.part in literals(each) for each in later)


LOCKS = (
    Rule(
        "add-column-not-null",
        ERROR,
        "a NOT NULL column without a default cannot be added as soon as there is a row",
        "give it a default, or add it without NOT NULL and fill it first",
        "add column",
        "old",
        _needs_a_value,
    ),
    Rule(
        "table-rewrite",
        ERROR,
        "every row is written anew while nobody can read: a default that is not one value, an "
        "identity, a stored column, a domain with a constraint",
        "add the column without that, then set the default and fill old rows in batches",
        "add column, rewrite table",
        "old",
        _rewrites,
    ),
    Rule(
        "column-type",
        ERROR,
        "most changes of a type write every row anew while nobody can read",
        "add a column of the new type, fill it in batches, then move the readers",
        "retype column",
        "old",
        _is_converted,
    ),
    Rule(
        "set-not-null",
        ERROR,
        "SET NOT NULL reads the whole table while nobody else can",
        "add `check (c is not null) not valid`, validate it in a later file, then SET NOT NULL",
        "require column",
        "old",
        lambda change, here: change.part not in here.world.thing(change).filled,
    ),
    Rule(
        "constraint-not-valid",
        ERROR,
        "a new constraint is checked against every row while writers wait",
        "add it NOT VALID, and VALIDATE CONSTRAINT in a later file",
        "add column, add constraint",
        "old",
        _is_validated,
    ),
    Rule(
        "validate-apart",
        WARNING,
        "validated in the transaction that adds it, whose lock lasts for the whole scan",
        "put VALIDATE CONSTRAINT into a later file",
        "validate constraint",
        "old",
        _is_validated_at_once,
    ),
    Rule(
        "unique-by-index",
        ERROR,
        "UNIQUE and PRIMARY KEY build their index while nobody can read the table",
        "CREATE UNIQUE INDEX CONCURRENTLY in a file of its own, then ADD … USING INDEX",
        "add column, add constraint",
        "old",
        _builds_index,
    ),
    Rule(
        "index-concurrently",
        ERROR,
        "CREATE INDEX lets nobody write to the table until it is done",
        "CREATE INDEX CONCURRENTLY, in a file of its own",
        "create index",
        "old",
        _blocks_writes,
    ),
    Rule(
        "concurrently-alone",
        WARNING,
        "CONCURRENTLY takes its file out of a transaction: what stands beside it can end half done",
        "give it a file of its own",
        "create index, drop index, maintain",
        test=_has_company,
    ),
    Rule(
        "data-with-lock",
        WARNING,
        "rows are moved after a statement whose lock keeps readers out until the file's end",
        "move the rows in a file of its own",
        "update, delete, merge, insert",
        "old",
        _moves_under_lock,
    ),
    Rule(
        "lock-table",
        WARNING,
        "LOCK TABLE keeps others waiting for as long as the file takes",
        "rely on the locks that statements take, and keep files short",
        "lock",
        "old",
    ),
    Rule(
        "maintenance",
        WARNING,
        "VACUUM, CLUSTER and REINDEX are an operator's work: they last, and change no schema",
        "run them by hand; REINDEX only CONCURRENTLY",
        "maintain",
        test=lambda change, here: "concurrently" not in change.flags,
    ),
    Rule(
        "session-setting",
        WARNING,
        "SET outlasts the file's transaction, and holds for whatever its session does next",
        "SET LOCAL",
        "set session",
        test=lambda change, here: all(each.action != "set session" for each in here.before),
    ),
    Rule(
        "transaction-control",
        ERROR,
        "a file is one transaction, which BEGIN, COMMIT and ROLLBACK within it break",
        "remove them, or split the file",
        "control transaction",
        test=lambda change, here: here.unit.refused != "",
    ),
    Rule(
        "enum-value-used",
        ERROR,
        "a new value of an enum cannot be used before its transaction is committed",
        "add it in a file of its own, before",
        "add value",
        test=_is_used,
    ),
)
