"""Rules about statements that block a running system."""

from __future__ import annotations

from tillroll.migrate.lint.rule import ERROR, rule
from tillroll.migrate.lint.world import Here
from tillroll.migrate.parser import Change

_SERIALS = {"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"}
# What a default may call and yet is one value for all rows. Others are taken for volatile, as
# Postgres takes a function of which nothing is said.
_STABLE = {
    *("now", "transaction_timestamp", "statement_timestamp", "current_setting", "timezone"),
    *("date_trunc", "make_interval", "to_char", "lower", "upper", "md5", "concat", "to_jsonb"),
    *("jsonb_build_object", "jsonb_build_array", "json_build_object", "json_build_array"),
    *("auth.uid", "auth.jwt", "auth.role"),
}


@rule(ERROR, "add column", only="old")
def add_column_not_null(change: Change, here: Here) -> bool:
    """A NOT NULL column without a default cannot be added as soon as there is a row.

    Give it a default, or add it without NOT NULL and fill it first.
    """
    given = change.flags & {"default", "identity", "stored"} or change.type in _SERIALS
    return bool(change.flags & {"not null", "primary key"}) and not given


@rule(ERROR, "add column", "rewrite table", only="old")
def table_rewrite(change: Change, here: Here) -> bool:
    """Every row is written anew while nobody can read.

    Add the column without its identity, expression, domain or changing default; then set that, and
    fill old rows in batches.
    """
    return (
        change.action == "rewrite table"
        or bool(change.flags & {"stored", "identity"})
        or bool(set(change.words) - _STABLE)
        or change.type in _SERIALS
        or change.type.rpartition(".")[2] in here.world.domains
    )


@rule(ERROR, "retype column", only="old")
def column_type(change: Change, here: Here) -> bool:
    """Most changes of a type write every row anew while nobody can read.

    Add a column of the new type, fill it in batches, then move the readers.
    """
    old, new = here.thing.types.get(change.part, ""), change.type
    return "using" in change.flags or not (old == new or _is_free(*_sized(old), *_sized(new)))


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


@rule(ERROR, "require column", only="old")
def set_not_null(change: Change, here: Here) -> bool:
    """SET NOT NULL reads the whole table while nobody else can.

    Add `check (c is not null) not valid`, validate it in a later file, then SET NOT NULL.
    """
    return change.part not in here.thing.filled


@rule(ERROR, "add column", "add constraint", only="old")
def constraint_not_valid(change: Change, here: Here) -> bool:
    """A new constraint is checked against every row while writers wait.

    Add it NOT VALID, and VALIDATE CONSTRAINT in a later file.
    """
    if change.action == "add column":  # all of it is null, unless it has a default
        return "check" in change.flags or change.flags >= {"foreign key", "default"}
    kinds = {"check", "foreign key", "not null"}
    return bool(change.flags & kinds) and "not valid" not in change.flags


@rule(ERROR, "add column", "add constraint", only="old")
def unique_by_index(change: Change, here: Here) -> bool:
    """UNIQUE and PRIMARY KEY build their index while nobody can read the table.

    CREATE UNIQUE INDEX CONCURRENTLY in a file of its own, then ADD … USING INDEX.
    """
    return bool(change.flags & {"unique", "primary key"}) and "by index" not in change.flags


@rule(ERROR, "create index", only="old")
def index_concurrently(change: Change, here: Here) -> bool:
    """CREATE INDEX lets nobody write to the table until it is done.

    CREATE INDEX CONCURRENTLY, in a file of its own.
    """
    return "concurrently" not in change.flags and "partitioned" not in here.thing.flags
